"""Workflows, Binder, archive, packages: what cannot run here is linted, the rest runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tools import archive, build, publish_notebooks

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
BINDER = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text())


def program(name: str, *arguments: str) -> subprocess.CompletedProcess:
    """Run a program of this environment in the root of the repository."""
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


# -- workflows ------------------------------------------------------------------------------------


def test_workflows_agree_with_their_schema():
    schema = ["--builtin-schema", "vendor.github-workflows"]
    done = program("check-jsonschema", *schema, *map(str, WORKFLOWS))
    assert done.returncode == 0, done.stdout


def test_workflows_pass_the_security_linter():
    done = program("zizmor", "--offline", "--quiet", ".github/workflows")
    assert done.returncode == 0, done.stdout


def test_every_step_of_a_workflow_is_a_command_that_runs_here():
    makefile = (ROOT / "Makefile").read_text()
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            for command in (step["run"] for step in job["steps"] if "run" in step):
                where, words = f"{path.name}, {name}: {command}", command.split()
                assert "\n" not in command.strip(), f"{where}: one command a step"
                if words[0] == "make":
                    assert re.search(rf"^{words[1]}:", makefile, re.M), f"{where}: no such target"
                elif words[0] == "gh":
                    assert command.startswith("gh release create"), where
                else:
                    files = [w for w in words if "/" in w or w.endswith((".py", ".txt"))]
                    assert files and all((ROOT / w).exists() for w in files), where


def test_ci_runs_what_a_person_runs():
    path = ROOT / ".ci" / "run"
    assert os.access(path, os.X_OK)
    assert "exec make test" in path.read_text()
    assert subprocess.run(["bash", "-n", str(path)]).returncode == 0


# -- Binder ---------------------------------------------------------------------------------------


def test_repo2docker_picks_binder_and_conda(monkeypatch):
    from repo2docker.app import Repo2Docker

    monkeypatch.chdir(ROOT)
    app = Repo2Docker()
    packs = (kind(app.base_image) for kind in app.buildpacks)
    pack = next(p for p in packs if p.detect())
    assert type(pack).__name__ == "CondaBuildPack"
    assert Path(pack.binder_dir) == Path("binder")
    assert pack.python_version == "3.12"
    assert [Path(p).name for p in pack.get_post_build_scripts()] == ["postBuild"]


def test_binder_has_what_the_chapters_import(chapter):
    """Conda's names are PyPI's here, but for torch; the standard library needs no package."""
    listed = [d for d in BINDER["dependencies"] if isinstance(d, str)]
    listed += next(d["pip"] for d in BINDER["dependencies"] if isinstance(d, dict))
    have = {re.split(r"[=<>]", n)[0].replace("pytorch-cpu", "torch") for n in listed}
    have = {n.replace("-", "_") for n in have} | {"zh", "IPython"}
    text = (ROOT / f"{chapter}.md").read_text("utf8")
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", "\n".join(code_of(text)), re.M))
    assert imported - have - set(sys.stdlib_module_names) == set()


def test_binder_installs_the_package_and_its_dependencies():
    import tomllib

    names = {re.split(r"[=<>]", d)[0] for d in BINDER["dependencies"] if isinstance(d, str)}
    needed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    assert needed - {"torch"} <= names and "pytorch-cpu" in names  # pip finds them there already
    pip = next(d["pip"] for d in BINDER["dependencies"] if isinstance(d, dict))
    assert "-e ." in pip
    pinned = (ROOT / "requirements.txt").read_text().splitlines()
    assert set(pip) <= set(pinned), "pip installs there what requirements.txt has, as pinned"


def test_binder_opens_chapters_as_notebooks(tmp_path):
    script = ROOT / "binder" / "postBuild"
    assert os.access(script, os.X_OK)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path)}
    done = subprocess.run(["bash", str(script)], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    settings = "".join(p.read_text() for p in tmp_path.rglob("*.json"))
    assert '"markdown": "Jupytext Notebook"' in settings


def code_of(text: str) -> list[str]:
    """The sources of a chapter's cells."""
    from tests.prose import cells

    return [source for _, source in cells(text)]


# -- archive, branch, front page ------------------------------------------------------------------


def test_archive_holds_the_site_and_is_the_same_twice(site, tmp_path):
    made = [archive.archive(site, tmp_path / d / "book.zip") for d in ("a", "b") if not
            (tmp_path / d).mkdir()]  # fmt: skip
    assert made[0].read_bytes() == made[1].read_bytes()
    names = set(zipfile.ZipFile(made[0]).namelist())
    assert "book/index.html" in names
    assert {f"book/{page}.html" for page in build.pages(ROOT)} <= names


def test_archive_of_nothing_says_what_to_do(tmp_path):
    with pytest.raises(SystemExit, match="make book"):
        archive.archive(tmp_path, tmp_path / "x.zip")


def test_notebooks_go_to_a_branch_of_their_own(tmp_path, monkeypatch):
    def git(*arguments: str, cwd: Path) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        return subprocess.check_output(["git", *who, *arguments], cwd=cwd, text=True)

    remote, clone = tmp_path / "remote.git", tmp_path / "clone"
    subprocess.run(["git", "init", "-q", "--bare", str(remote)], check=True)
    subprocess.run(["git", "clone", "-q", str(remote), str(clone)], check=True, stderr=-3)
    (clone / "a.txt").write_text("a")
    git("add", ".", cwd=clone)
    git("commit", "-qm", "a", cwd=clone)
    made = tmp_path / "made"
    made.mkdir()
    monkeypatch.chdir(clone)
    with pytest.raises(SystemExit, match="make book"):
        publish_notebooks.publish(made, "notebooks", "origin")
    for text in ("{}", "[]"):  # the second time replaces the first
        (made / "x.ipynb").write_text(text)
        publish_notebooks.publish(made, "notebooks", "origin")
        assert git("ls-tree", "--name-only", "notebooks", cwd=remote).split() == ["x.ipynb"]
        assert git("show", "notebooks:x.ipynb", cwd=remote) == text
    assert git("rev-list", "--count", "notebooks", cwd=remote).strip() == "1"
    assert git("status", "--short", cwd=clone) == ""


def test_readme_opens_with_the_two_commands():
    head = (ROOT / "README.md").read_text("utf8").split("\n## ")[0]
    assert head.index("make book") < head.index("make test")
    picture = re.search(r"!\[(.+?)\]\((.+?)\)", head, re.S)
    assert picture and (ROOT / picture[2]).stat().st_size < 200_000


def test_wheel_carries_labs_and_data(tmp_path):
    """What pip installs from the repository (Colab does) has all that `zh` reads at run time."""
    import shutil

    copy = tmp_path / "copy"
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "zh", copy / "zh", ignore=skip)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(tmp_path), "."],
        cwd=copy, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    packed = set(zipfile.ZipFile(next(tmp_path.glob("zh-*.whl"))).namelist())
    wanted = {
        p.relative_to(ROOT).as_posix()
        for p in (ROOT / "zh").rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert wanted <= packed, f"not packed: {sorted(wanted - packed)}"
