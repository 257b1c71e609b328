import pickle
import zipfile

import cv2
import numpy as np
import pytest

from harness.errors import UserError
from harness.prepare.decode import (
    Damaged,
    ImageFolder,
    Video,
    ZipImages,
    decode_image,
    open_video,
    picture_number,
    unsafe_member,
)


def jpeg(shade=100, size=(40, 30), suffix=".jpg"):
    picture = np.full((size[1], size[0], 3), shade, np.uint8)
    picture[5:9, 5:9] = (255, 0, 0)
    return bytes(cv2.imencode(suffix, picture)[1])


def test_pictures_come_in_opencvs_channel_order():
    picture = decode_image(jpeg(suffix=".png"))
    assert picture[6, 6].tolist() == [255, 0, 0]


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_part_of_an_image_is_no_image(suffix, part):
    data = jpeg(suffix=suffix)
    assert isinstance(decode_image(data[: int(part * len(data))]), str)
    assert isinstance(decode_image(data), np.ndarray)


def test_text_is_no_image():
    assert "not an image" in decode_image(b"hello, world" * 100)


@pytest.mark.parametrize(
    ("name", "number"),
    [("0012.jpg", 12), ("7.JPG", 7), ("0.png", 0), ("12.mtl", None), ("a12.jpg", None)],
)
def test_the_number_of_a_picture_is_its_stems_value(name, number):
    assert picture_number(name) == number


def test_image_folder_by_number_whatever_the_width(tmp_path):
    for name, shade in (("3.jpg", 30), ("010.jpg", 100), ("0002.jpg", 20)):
        (tmp_path / name).write_bytes(jpeg(shade))
    (tmp_path / "0002.mtl").write_text("texture")
    folder = ImageFolder(tmp_path, "x")
    assert folder.numbers().tolist() == [2, 3, 10]
    shades = [int(p[20, 20, 0]) for p in folder.read([2, 3, 10])]
    np.testing.assert_allclose(shades, [20, 30, 100], atol=2)
    assert folder.place(10) == "x/010.jpg"
    missing = next(folder.read([4]))
    assert isinstance(missing, Damaged)
    assert "picture 4" in str(missing)


def test_two_names_for_one_picture_are_refused(tmp_path):
    (tmp_path / "1.jpg").write_bytes(jpeg())
    (tmp_path / "01.jpg").write_bytes(jpeg())
    with pytest.raises(Damaged, match="both picture 1"):
        ImageFolder(tmp_path, "x").numbers()


def test_zip_is_read_in_place(tmp_path):
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("t/2.jpg", jpeg(20))
        archive.writestr("t/1.jpg", jpeg(10))
        archive.writestr("t/3.jpg", b"")
    pictures = list(
        ZipImages(file, "a.zip", {1: "t/1.jpg", 2: "t/2.jpg", 3: "t/3.jpg"}).read([1, 2, 3, 4])
    )
    np.testing.assert_allclose([pictures[0][20, 20, 0], pictures[1][20, 20, 0]], [10, 20], atol=2)
    assert "empty" in str(pictures[2])
    assert "picture 4" in str(pictures[3])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip"]


def test_a_member_with_a_wrong_checksum_is_damaged(tmp_path):
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("t/1.jpg", jpeg(10))
    data = bytearray(file.read_bytes())
    at = data.index(b"\xff\xd8") + 200
    data[at] ^= 0xFF
    file.write_bytes(data)
    (picture,) = ZipImages(file, "a.zip", {1: "t/1.jpg"}).read([1])
    assert isinstance(picture, Damaged)
    assert "a.zip/t/1.jpg" in str(picture)


@pytest.mark.parametrize("name", ["../x.jpg", "/etc/x.jpg", "a/../../x.jpg", "..\\x.jpg", "C:\\x"])
def test_members_that_lead_out_are_unsafe(name):
    assert unsafe_member(name)
    assert not unsafe_member("F001/T1/0001.jpg")


@pytest.fixture
def video(tmp_path):
    file = tmp_path / "ä b.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for i in range(8):
        writer.write(np.full((48, 64, 3), 20 * (i + 1), np.uint8))
    writer.release()
    return file


def test_video_frames_count_from_one(video):
    pictures = list(Video(video, "v").read([1, 3, 8]))
    np.testing.assert_allclose([p.mean() for p in pictures], [20, 60, 160], atol=3)


def test_a_video_that_ends_says_where(video):
    good, late, later = Video(video, "v").read([8, 9, 12])
    assert isinstance(good, np.ndarray)
    assert "stops after frame 8" in str(late)
    assert "before frame 12" in str(later)


def test_no_video(tmp_path):
    (tmp_path / "x.avi").write_bytes(b"no video" * 100)
    (tmp_path / "y.avi").write_bytes(b"")
    for name, why in (("x.avi", "not a video"), ("y.avi", "empty"), ("z.avi", "no such")):
        with pytest.raises(UserError, match=why):
            open_video(tmp_path / name)


def test_damaged_survives_a_trip_between_processes():
    error = pickle.loads(pickle.dumps(Damaged("file", "is wrong")))
    assert isinstance(error, Damaged)
    assert str(error) == "file: is wrong"
    assert (error.place, error.reason) == ("file", "is wrong")
