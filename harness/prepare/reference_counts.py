"""What is known of the datasets themselves, to hold a copy on disk against.

BP4D: counted on the 328 occurrence files (41 subjects, 8 tasks, 146,847 coded frames). DISFA: 27
subjects with 130,814 label rows; its positives (intensity 2 and up) were counted on 130,336 of
them, hence rates, compared with a tolerance, rather than counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Counts of a whole dataset.

    Attributes:
        positives: frames in which each AU is present; exact where ``tolerance`` is 0.
        positives_of: the frames among which they were counted.
        tolerance: how far a base rate may be off.
        gaps: whether frame numbers may jump within a sequence.
        options: adapter options with which the counts hold.
    """

    subjects: int
    sequences: int
    frames: int
    positives: dict[int, int]
    positives_of: int
    tolerance: float = 0.0
    gaps: bool = False
    options: dict[str, object] = field(default_factory=dict)


REFERENCES: dict[str, Reference] = {
    "bp4d": Reference(
        subjects=41,
        sequences=328,
        frames=146_847,
        positives={
            **{1: 31_042, 2: 25_110, 4: 29_755, 6: 67_676, 7: 80_616, 10: 87_270},
            **{12: 82_530, 14: 68_375, 15: 24_869, 17: 50_406, 23: 24_288, 24: 22_229},
        },
        positives_of=146_847,
        options={"codes": "occurrence"},
    ),
    "disfa": Reference(
        subjects=27,
        sequences=27,
        frames=130_814,
        positives={
            **{1: 6_495, 2: 5_235, 4: 19_575, 5: 1_147, 6: 10_322, 9: 5_468},
            **{12: 16_835, 15: 2_680, 17: 6_587, 20: 2_941, 25: 36_234, 26: 11_527},
        },
        positives_of=130_336,
        tolerance=0.002,
        options={"binarise_at": 2},
    ),
}
