"""The files under deploy/: parsed, and checked against what the official schemas say.

`ray up` files are checked by Ray's own schema and loader. The schema of KubeRay's resources comes
with no package: the part of it that we use is kept below, by hand, from its ray.io/v1 reference.
"""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RAY = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE).group(1)

TEXT, WHOLE, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
QUANTITIES = {"type": "object", "additionalProperties": TEXT}


def exactly(required=(), **fields):
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }


def many(items):
    return {"type": "array", "items": items, "minItems": 1}


CONTAINER = exactly(
    ("name", "image", "resources"),
    name=TEXT,
    image=TEXT,
    ports=many(exactly(("containerPort",), containerPort=WHOLE, name=TEXT)),
    env=many(
        exactly(
            ("name",),
            name=TEXT,
            value=TEXT,
            valueFrom=exactly(
                ("secretKeyRef",),
                secretKeyRef=exactly(("name", "key"), name=TEXT, key=TEXT, optional=FLAG),
            ),
        )
    ),
    resources=exactly(("requests", "limits"), requests=QUANTITIES, limits=QUANTITIES),
    volumeMounts=many(exactly(("name", "mountPath"), name=TEXT, mountPath=TEXT)),
)
VOLUME = exactly(
    ("name",),
    name=TEXT,
    persistentVolumeClaim=exactly(("claimName",), claimName=TEXT),
    emptyDir=exactly(medium=TEXT, sizeLimit=TEXT),
)
POD = exactly(
    ("spec",),
    spec=exactly(
        ("containers",),
        containers=many(CONTAINER),
        volumes=many(VOLUME),
        tolerations=many(exactly(key=TEXT, operator=TEXT, effect=TEXT)),
    ),
)
START = {"type": "object", "additionalProperties": TEXT}  # `ray start` takes texts only
CLUSTER = exactly(
    ("headGroupSpec",),
    rayVersion=TEXT,
    authOptions=exactly(mode={"enum": ["token", "disabled"]}, secretName=TEXT),
    enableInTreeAutoscaling=FLAG,
    autoscalerOptions=exactly(idleTimeoutSeconds=WHOLE),
    headGroupSpec=exactly(("template",), rayStartParams=START, template=POD),
    workerGroupSpecs=many(
        exactly(
            ("groupName", "minReplicas", "maxReplicas", "template"),
            groupName=TEXT,
            replicas=WHOLE,
            minReplicas=WHOLE,
            maxReplicas=WHOLE,
            rayStartParams=START,
            template=POD,
        )
    ),
)
RAY_JOB = exactly(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=exactly(("name",), name={"type": "string", "pattern": "^[a-z0-9-]{1,47}$"}),
    spec=exactly(
        ("entrypoint", "rayClusterSpec"),
        entrypoint=TEXT,
        runtimeEnvYAML=TEXT,
        shutdownAfterJobFinishes=FLAG,
        ttlSecondsAfterFinished=WHOLE,
        activeDeadlineSeconds=WHOLE,
        backoffLimit=WHOLE,
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
        rayClusterSpec=CLUSTER,
    ),
)


@pytest.fixture(scope="module")
def ray_job():
    return yaml.safe_load((DEPLOY / "kuberay-rayjob.yaml").read_text())


@pytest.fixture(scope="module")
def ray_up():
    return yaml.safe_load((DEPLOY / "ray-up-gcp.yaml").read_text())


def command_line(words):
    """What our own command line makes of an `aubench ...` line."""
    from harness.cli import _parser

    assert words[0] == "aubench"
    return _parser().parse_args(words[1:])


def test_the_ray_job_fits_the_resource_definition(ray_job):
    import jsonschema

    jsonschema.validate(ray_job, RAY_JOB)
    broken = json.loads(json.dumps(ray_job))
    broken["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["minReplica"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, RAY_JOB)


def test_the_ray_job_means_what_it_should(ray_job):
    spec = ray_job["spec"]
    cluster = spec["rayClusterSpec"]
    assert spec["shutdownAfterJobFinishes"]
    assert spec["activeDeadlineSeconds"] > 0
    assert cluster["authOptions"]["mode"] == "token"
    assert cluster["rayVersion"] == RAY
    assert isinstance(yaml.safe_load(spec["runtimeEnvYAML"]), dict)
    options = command_line(spec["entrypoint"].split())
    assert options.address == "auto"
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    gpus = [
        "nvidia.com/gpu" in group["template"]["spec"]["containers"][0]["resources"]["limits"]
        for group in groups
    ]
    assert gpus == [False, False, True]
    for group in groups:
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == volumes
        data = [m["mountPath"] for m in pod["containers"][0]["volumeMounts"] if m["name"] == "data"]
        assert str(options.out).startswith(data[0])  # the run folder is on shared storage


def test_no_key_stands_in_a_file(ray_job):
    for env in ray_job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][
        0
    ]["env"]:
        assert "value" not in env or "KEY" not in env["name"]
    for file in DEPLOY.iterdir():
        assert not re.search(r"\b[0-9a-f]{40}\b", file.read_text()), file


def test_ray_up_fits_rays_own_schema(ray_up):
    import jsonschema
    import ray

    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(ray_up, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**ray_up, "max_worker": 1}, schema)


def test_ray_up_is_what_rays_loader_accepts(ray_up):
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(json.loads(json.dumps(ray_up)))
    validate_config(prepared)
    types = prepared["available_node_types"]
    assert types[prepared["head_node_type"]]["resources"]["CPU"] == 0
    assert any("GPU" in node["resources"] for node in types.values())
    token = next(iter(ray_up["file_mounts"]))
    assert f"--env RAY_AUTH_TOKEN_PATH={token}" in ray_up["docker"]["run_options"]


def test_the_slurm_script_is_sound():
    file = DEPLOY / "slurm.sbatch"
    text = file.read_text()
    subprocess.run([shutil.which("bash"), "-n", str(file)], check=True)
    lines = text.splitlines()
    given = [re.match(r"#SBATCH --([a-z-]+)(=\S+)?$", x) for x in lines if x.startswith("#SBATCH")]
    assert all(given)
    first_command = next(i for i, x in enumerate(lines) if x and not x.startswith("#"))
    assert not [x for x in lines[first_command:] if x.startswith("#SBATCH")]  # Slurm stops there
    options = {match.group(1): match.group(2) for match in given}
    assert options["ntasks-per-node"] == "=1"  # one Ray node a machine
    assert {"nodes", "time", "cpus-per-task", "gpus-per-task"} <= set(options)


def test_the_slurm_command_is_one_that_ray_and_we_understand():
    from ray.scripts.symmetric_run import curate_and_validate_ray_start_args

    text = (DEPLOY / "slurm.sbatch").read_text().replace("\\\n", " ")
    line = next(x for x in text.splitlines() if "ray symmetric-run" in x)
    words = line.split("ray symmetric-run ")[1].replace('"', "").rstrip(" &").split()
    place = words.index("--")
    given = curate_and_validate_ray_start_args(words[:place])
    assert {word.split("=")[0] for word in given} == {"--num-cpus", "--num-gpus"}
    assert command_line(words[place + 1 :]).suite == "$suite"


def test_the_image_holds_what_the_package_is_made_of():
    text = (DEPLOY / "Dockerfile").read_text()
    copied = " ".join(re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE)).split()
    assert all((ROOT / name).exists() for name in copied)
    packages = {folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").is_file()}
    assert packages - {"benchmarks", "tests"} <= set(copied)
    assert {PROJECT["readme"], *PROJECT["license-files"]} <= set(copied)
    python = re.search(r"^FROM python:(\d+)\.(\d+)-", text, re.MULTILINE)
    assert (int(python[1]), int(python[2])) >= (3, 11)
    instructions = {
        line.split()[0] for line in re.sub(r"\\\n", " ", text).splitlines() if line[:1].isupper()
    }
    assert instructions <= {"FROM", "ARG", "RUN", "WORKDIR", "COPY", "ENV", "USER", "CMD"}


def test_every_file_is_explained():
    page = (ROOT / "docs" / "cluster.md").read_text()
    for file in DEPLOY.iterdir():
        assert f"deploy/{file.name}" in page, file.name
