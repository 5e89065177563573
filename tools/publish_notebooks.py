"""Put the generated notebooks on a branch of their own, where Colab can open them.

    python tools/publish_notebooks.py _build/html/notebooks [--branch notebooks] [--remote origin]

The branch holds one commit without a history: the notebooks of the commit that is checked out.
Neither the working tree nor the index is touched.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

WHO = {
    "NAME": "github-actions[bot]",
    "EMAIL": "41898282+github-actions[bot]@users.noreply.github.com",
}


def git(*arguments: str, **env: str) -> str:
    """Run git; return what it prints."""
    done = subprocess.run(
        ["git", *arguments], check=True, text=True, stdout=subprocess.PIPE, env=os.environ | env
    )
    return done.stdout.strip()


def publish(folder: Path, branch: str, remote: str) -> str:
    """Push the .ipynb files of `folder` as `branch`; return the new commit."""
    notebooks = sorted(folder.glob("*.ipynb"))
    if not notebooks:
        raise SystemExit(f"{folder} has no .ipynb file: build the book first (make book)")
    who = {f"GIT_{role}_{k}": v for role in ("AUTHOR", "COMMITTER") for k, v in WHO.items()}
    with tempfile.TemporaryDirectory() as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        for path in notebooks:
            blob = git("hash-object", "-w", str(path))
            git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path.name}", **index)
        tree = git("write-tree", **index)
    message = f"Notebooks of {git('rev-parse', '--short', 'HEAD')}"
    commit = git("commit-tree", tree, "-m", message, **who)
    git("push", "--force", "--quiet", remote, f"{commit}:refs/heads/{branch}")
    return commit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--branch", default="notebooks")
    parser.add_argument("--remote", default="origin")
    options = parser.parse_args()
    commit = publish(options.folder, options.branch, options.remote)
    print(f"{options.branch}: {commit[:10]}")


if __name__ == "__main__":
    main()
