"""What constraints.txt pins, and what of an environment it does not."""

import subprocess
import sys

import pytest
from locked import CONSTRAINTS, pinned, unlocked

pytestmark = pytest.mark.once


def test_constraints_are_versions_in_order():
    lines = CONSTRAINTS.read_text().splitlines()
    versions = pinned("\n".join(lines))
    assert [line for line in lines if "==" in line] == sorted(
        (line for line in lines if "==" in line), key=str.lower
    )
    assert {"keras", "jax", "jaxlib", "tensorflow", "torch", "scipy", "protobuf"} <= set(versions)


@pytest.mark.parametrize("line", ["keras", "keras>=3", "keras==3.15.1 ; x", "a-b==1\nA_b==1"])
def test_what_pins_nothing(line):
    with pytest.raises(ValueError, match="is not NAME==VERSION, or names a package again"):
        pinned(f"# A comment.\nnumpy==2.4.6  # Another one.\n{line}\n")


def test_what_is_not_pinned():
    versions = pinned("a-b==1.0\nc==2.0\ntorch==2.13.0\n")
    installed = [("A_b", "1.0"), ("c", "2.1"), ("torch", "2.13.0+cpu"), ("New.One", "3")]
    installed += [
        ("pip", "1"),
        ("keras-mixer", "0.1"),
        ("nvidia-cublas-cu12", "12"),
        ("triton", "3"),
    ]
    assert unlocked(installed, versions) == ["c==2.1", "new-one==3"]


def test_the_check_itself(tmp_path):
    """In an environment with one package that no one pins, made by hand."""
    info = tmp_path / "nobody_pins_this-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nobody-pins-this\nVersion: 1.0\n")
    program = "import runpy, sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p]; "
    program += f"sys.path.append({str(tmp_path)!r}); "
    program += (
        f"runpy.run_path({str(CONSTRAINTS.parent / 'tests/locked.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1] == "nobody-pins-this==1.0"
