"""The two commands: which Python is taken, what is installed, what is kept."""

import ast
import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from zerobook.press.execute import imported
from zerobook.press.reading import read_book

PYTHONS = ("3.11", "3.12", "3.13")


@pytest.fixture
def set_up(root):
    spec = importlib.util.spec_from_file_location(
        "set_up", root / "tools" / "set_up.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins(root, python, prefix=""):
    """Name to version, as a constraints file has them."""
    name = f"{prefix}py{python.replace('.', '')}.txt"
    path = root / "constraints" / name
    lines = [x for x in path.read_text("utf-8").splitlines() if x[:1] != "#"]
    pairs = [line.split("==") for line in lines]
    found = {canonicalize_name(name): version for name, version in pairs}
    assert len(found) == len(pairs), "a package is pinned twice"
    return found


# ---- which Python


def fake_python(folder, name, body):
    path = folder / name
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(0o755)


def find(root, tmp_path, *arguments):
    """Run the search with nothing but our own pythons on the PATH."""
    return subprocess.run(
        ["/bin/sh", root / "tools" / "find_python.sh", *arguments],
        capture_output=True, text=True, cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{tmp_path / 'tools'}"},
    )


@pytest.fixture
def path(tmp_path):
    (tmp_path / "tools").mkdir()
    for tool in ("sed", "sh"):
        where = subprocess.run(
            ["sh", "-c", f"command -v {tool}"], capture_output=True, text=True
        ).stdout.strip()
        (tmp_path / "tools" / tool).symlink_to(where)
    return tmp_path


GOOD = f'exec "{sys.executable}" "$@"\n'
OLD = 'echo "is 3.10.4" >&2; exit 1\n'
SHIM = 'echo "pyenv: python3: command not found" >&2; exit 127\n'
# argv is ["-c", "-c", probe]: the probe runs where ensurepip is not.
BARE = (
    f'exec "{sys.executable}" -c \'import sys; sys.modules["ensurepip"] = None; '
    "exec(sys.argv[2])' \"$@\"\n"
)


def test_a_suitable_python3_is_taken_without_a_word(root, path):
    fake_python(path, "python3", GOOD)
    found = find(root, path)
    assert found.returncode == 0 and not found.stderr
    assert found.stdout.strip() == sys.executable


@pytest.mark.parametrize("first", [OLD, SHIM, BARE])
def test_where_python3_will_not_do_a_versioned_one_is_taken_and_named(
    root, path, first
):
    fake_python(path, "python3", first)
    fake_python(path, "python3.12", GOOD)
    found = find(root, path)
    assert found.returncode == 0
    assert "taking python3.12" in found.stderr


def test_no_suitable_python_is_a_sentence_and_a_non_zero_exit(root, path):
    fake_python(path, "python3", OLD)
    found = find(root, path)
    assert found.returncode != 0 and not found.stdout
    assert "needs Python 3.11, 3.12 or 3.13" in found.stderr
    assert "3.10.4" in found.stderr


def test_no_python_at_all_is_a_sentence_too(root, path):
    found = find(root, path)
    assert found.returncode != 0
    assert "none was found" in found.stderr


def test_a_python_without_venv_is_told_what_to_install(root, path):
    fake_python(path, "python3", BARE)
    found = find(root, path)
    assert found.returncode != 0
    assert re.search(r"apt install python3\.\d+-venv", found.stderr)


def test_a_python_that_was_asked_for_is_taken_or_refused_never_replaced(
    root, path
):
    fake_python(path, "python3", GOOD)
    fake_python(path, "mine", OLD)
    found = find(root, path, "mine")
    assert found.returncode != 0 and "PYTHON=mine" in found.stderr


def test_the_python_that_made_the_environment_comes_first(root, path):
    (path / ".venv" / "bin").mkdir(parents=True)
    fake_python(path / ".venv" / "bin", "python", GOOD)
    fake_python(path, "python3", OLD)
    found = find(root, path)
    assert found.returncode == 0 and not found.stderr


# ---- what is installed


@pytest.fixture
def house(set_up, tmp_path, monkeypatch):
    """A set-up whose pip and venv only take notes."""
    notes = []

    def build(venv, wanted, torch, index, pins, carried):
        notes.append(torch)
        (venv / "bin").mkdir(parents=True, exist_ok=True)
        return house.problem

    def add(venv, wanted, pins, carried):
        added.append(wanted)
        house.carried = carried
        return house.problem

    def main(*more):
        return set_up.main(["--venv", str(tmp_path / ".venv"), *more])

    added = []
    house.problem, house.added = None, added
    house.notes, house.main, house.venv = notes, main, tmp_path / ".venv"
    monkeypatch.setattr(set_up, "build", build)
    monkeypatch.setattr(set_up, "add", add)
    monkeypatch.setattr(set_up, "works", lambda venv: True)
    return house


def test_the_second_run_has_nothing_to_do(house):
    assert house.main() == 0 and house.main() == 0
    assert len(house.notes) == 1


def test_a_set_up_that_failed_halfway_is_done_again(house):
    house.problem = "no network"
    assert house.main() == 1
    house.problem = None
    assert house.main() == 0
    assert len(house.notes) == 2


# The kind: a verb that installs what only another verb needs, or that
# installs again what is there.


def test_the_book_needs_no_test_tools_and_the_tests_add_them(house):
    assert house.main("--extras=book") == 0
    assert house.main("--extras=book,test") == 0
    assert len(house.notes) == len(house.added) == 1
    assert any("pytest" in line for line in house.added[0])
    assert not any("jupyter-book" in line for line in house.added[0])
    for extras in ("book", "book,test", "test"):
        assert house.main(f"--extras={extras}") == 0
    assert len(house.notes) == len(house.added) == 1  # either is there


def test_an_extra_that_could_not_be_added_is_added_again(house):
    house.main("--extras=book")
    house.problem = "no network"
    assert house.main("--extras=book,test") == 1
    house.problem = None
    assert house.main("--extras=book,test") == 0
    assert house.main("--extras=book,test") == 0
    assert len(house.notes) + len(house.added) == 3


def test_an_environment_that_is_made_anew_keeps_its_extras(
    house, set_up, tmp_path, monkeypatch
):
    wanted = []
    house.main("--extras=book,test")
    other = tmp_path / "pins.txt"
    other.write_text("numpy==2.0\n")
    monkeypatch.setattr(set_up, "constraints_file", lambda prefix: other)
    monkeypatch.setattr(set_up, "build",
                        lambda venv, lines, *rest: wanted.extend(lines))
    assert house.main("--extras=book") == 0
    assert any("pytest" in line for line in wanted)


def test_a_stamp_of_another_kind_is_no_stamp(house):
    house.main()
    for text in ("0123abcd", "[]", "{", '{"extras": 1}'):
        (house.venv / "zerobook-set-up").write_text(text)
        assert house.main() == 0
    assert len(house.notes) == 5


def test_the_verbs_of_the_book_ask_for_its_extra_alone(root):
    def asked(verb):
        said = subprocess.run(["make", "-n", verb, "P=x"], cwd=root,
                              capture_output=True, text=True).stdout
        return re.findall(r"--extras=(\S+)", said)[0]

    for verb in ("book", "page", "serve", "tangle", "runs", "routes"):
        assert asked(verb) == "book", verb
    for verb in ("test", "builds", "lint", "browser", "notebooks", "dist",
                 "bench", "check", "quick"):
        assert asked(verb) == "book,test", verb


def test_what_the_pages_import_comes_with_the_book(root, set_up):
    lines = set_up.requirements(root / "pyproject.toml", set_up.BOOK)
    there = {canonicalize_name(Requirement(line).name) for line in lines}
    names = {"sklearn": "scikit-learn"}
    found = set()
    for page, cell in read_book(root).cells():
        try:
            tree = ast.parse(cell.code)
        except SyntaxError:  # a magic
            continue
        found |= {name.split(".")[0] for name in imported(tree)}
    outside = found - set(sys.stdlib_module_names) - {"zerobook", "torch"}
    # what is brought by others of the list, or belongs to another verb
    outside -= {"IPython", "docutils", "jinja2", "jupyter_cache", "nbformat",
                "pybtex", "pygments", "sphinx", "jax", "tensorflow", "keras",
                "music21", "yaml", "matplotlib_inline", "myst_parser", "tiktoken"}
    lost = {n for n in outside if canonicalize_name(names.get(n, n))
            not in there | {"numpy"}}
    assert not lost


@pytest.mark.parametrize("name", ["PIP_USER", "PIP_TARGET", "PIP_PREFIX",
                                  "PIP_DRY_RUN", "PIP_NO_DEPS"])
def test_a_readers_settings_of_pip_do_not_lead_elsewhere(
    set_up, monkeypatch, name
):
    monkeypatch.setenv(name, "1")
    assert set_up.for_pip().get(name, "0") == "0"


def test_a_broken_environment_is_done_again(house, set_up, monkeypatch):
    house.main()
    monkeypatch.setattr(set_up, "works", lambda venv: False)
    house.main()
    assert len(house.notes) == 2


def test_new_pins_are_installed(house, set_up, tmp_path, monkeypatch):
    house.main()
    other = tmp_path / "pins.txt"
    other.write_text("numpy==2.0\n")
    monkeypatch.setattr(set_up, "constraints_file", lambda prefix: other)
    house.main()
    assert len(house.notes) == 2


def test_going_without_torch_is_another_environment(house):
    house.main("--torch=torch==1")
    house.main("--torch=")
    assert house.notes == ["torch==1", ""]


def test_an_environment_of_other_extras_has_other_pins(
    house, set_up, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        set_up, "build", lambda venv, wanted, *rest: asked.append(
            (wanted, rest[2].name)) or (venv / "bin").mkdir(parents=True)
    )
    assert house.main("--extras=frameworks", "--pins=frameworks-") == 0
    (wanted, name), = asked
    assert any("tensorflow" in line for line in wanted)
    assert not any("sphinx" in line for line in wanted)
    assert name == set_up.constraints_file("frameworks-").name


def test_an_environment_that_is_a_link_is_the_readers_own(house, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    house.venv.symlink_to(tmp_path / "elsewhere")
    assert house.main() == 0 and not house.notes
    assert house.venv.is_symlink()


@pytest.fixture
def asked(set_up, monkeypatch):
    """The arguments of each call of pip, which never runs."""
    calls = []

    def install(venv, *arguments):
        calls.append([str(a) for a in arguments])
        code = 1 if asked.fail and "--index-url" in arguments else 0
        return subprocess.CompletedProcess([], code)

    asked.fail, asked.calls = False, calls
    monkeypatch.setattr(set_up, "install", install)
    monkeypatch.setattr(set_up.sys, "platform", "linux")
    return asked


def test_torch_comes_from_its_cpu_index_first(asked, set_up, monkeypatch):
    monkeypatch.setattr(set_up, "reachable", lambda url: True)
    assert set_up.install_torch("venv", "torch==1", "https://cpu.example")
    assert len(asked.calls) == 1 and "https://cpu.example" in asked.calls[0]


def test_torch_comes_from_the_default_index_where_that_is_out_of_reach(
    asked, set_up, monkeypatch
):
    monkeypatch.setattr(set_up, "reachable", lambda url: False)
    assert set_up.install_torch("venv", "torch==1", "https://cpu.example")
    assert len(asked.calls) == 1 and "--index-url" not in asked.calls[0]


def test_torch_comes_from_the_default_index_where_the_first_one_fails(
    asked, set_up, monkeypatch
):
    asked.fail = True
    monkeypatch.setattr(set_up, "reachable", lambda url: True)
    assert set_up.install_torch("venv", "torch==1", "https://cpu.example")
    assert ["--index-url" in call for call in asked.calls] == [True, False]


def test_an_index_that_never_answers_does_not_hold_the_set_up(set_up):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/torch/"
        assert not set_up.reachable(url, seconds=1)
        assert time.monotonic() - start < 5


def test_a_carrier_brings_nothing_along(asked, set_up):
    """Its code is never imported, so what that code would need stays away."""
    carried = ["carrier==1"]
    assert not set_up.add(Path("venv"), ["numpy"], "pins.txt", carried)
    assert asked.calls[-1] == ["--no-deps", "carrier==1"]
    asked.calls.clear()
    assert not set_up.add(Path("venv"), ["numpy"], "pins.txt")
    assert len(asked.calls) == 1


def test_carriers_name_their_version_and_belong_to_an_extra(root, set_up):
    lines = set_up.carriers(root / "pyproject.toml", set_up.EXTRAS)
    assert lines and all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", line)
                         for line in lines)
    assert not set_up.carriers(root / "pyproject.toml", ["frameworks"])


def test_an_extra_whose_carriers_change_is_added_again(set_up, tmp_path):
    text = ('[project]\ndependencies = []\n'
            '[project.optional-dependencies]\nbook = []\n'
            '[tool.zerobook.carriers]\nbook = ["carrier=={}"]\n')
    file = tmp_path / "pyproject.toml"
    seen = set()
    for version in "12":
        file.write_text(text.format(version))
        seen.add(set_up.extras_of(file, ["book"])["book"])
    assert len(seen) == 2


# ---- the pins


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("prefix", ["", "frameworks-"])
def test_every_requirement_is_pinned_within_its_range(root, set_up, python,
                                                      prefix):
    pinned = pins(root, python, prefix)
    extras = ["frameworks"] if prefix else set_up.EXTRAS
    wanted = set_up.requirements(root / "pyproject.toml", extras)
    for requirement in map(Requirement, wanted):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("prefix", ["", "frameworks-"])
def test_pins_name_versions_and_no_places(root, python, prefix):
    for version in pins(root, python, prefix).values():
        assert re.fullmatch(r"[0-9][0-9a-z.]*(\.post\d+)?", version)


def test_the_makefile_asks_for_the_torch_that_is_pinned(root):
    (asked,) = re.findall(r"^TORCH \?= torch==(\S+)$",
                          (root / "Makefile").read_text(), re.M)
    assert {pins(root, python)["torch"] for python in PYTHONS} == {asked}


def test_this_environment_is_the_pinned_one(root, set_up):
    from importlib.metadata import distributions

    if not (root / ".venv" / "zerobook-set-up").is_file():
        pytest.skip("not an environment that `make` set up")
    pinned = pins(root, "%d.%d" % sys.version_info[:2])
    for found in distributions():
        name = canonicalize_name(found.metadata["Name"])
        if name in pinned:
            assert found.version.split("+")[0] == pinned[name]


# ---- the verbs


def verbs(root):
    text = (root / "Makefile").read_text("utf-8")
    return dict(re.findall(r"^([a-z-]+):.*?  ## (.+)$", text, re.M))


def test_help_lists_every_verb(root):
    shown = subprocess.run(
        ["make", "help"], cwd=root, capture_output=True, text=True
    ).stdout
    for verb, meaning in verbs(root).items():
        assert re.search(rf"^  {verb} +{re.escape(meaning)}$", shown, re.M)


def test_every_verb_that_the_documents_name_exists(root):
    known = verbs(root)
    for name in ("README.md", "CONTRIBUTING.md", ".ci/run"):
        text = (root / name).read_text("utf-8")
        for verb in re.findall(r"(?:^|`)make ([a-z]+)", text, re.M):
            assert verb in known, f"{name}: make {verb}"


def test_make_test_runs_doctests_and_needs_no_browser(root):
    shown = subprocess.run(
        ["make", "-n", "test"], cwd=root, capture_output=True, text=True
    ).stdout
    assert "--doctest-modules" in shown and "--ignore=tests/browser" in shown


def test_ci_runs_what_the_readme_says(root):
    script = root / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text("utf-8")
    assert "export CI=true" in text
    said = re.findall(r"^make ([a-z]+)", text, re.M)
    assert said == ["book", "check", "frameworks"]
    makefile = (root / "Makefile").read_text("utf-8")
    check = makefile.partition("\ncheck:")[2].partition("\n\n")[0]
    verbs = ("tangled recorded lint test builds book routes browser"
             " notebooks").split()
    assert all(re.search(rf"\b{verb}\b", check) for verb in verbs)


def test_pyproject_and_workflow_agree_on_the_pythons(root):
    wanted = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    assert wanted["project"]["requires-python"] == ">=3.11,<3.14"
    workflow = (root / ".github/workflows/tests.yml").read_text("utf-8")
    assert 'python: ["3.11", "3.12", "3.13"]' in workflow


# ---- what the forge runs


@pytest.fixture(params=["tests", "publish"])
def workflow(request, root):
    yaml = pytest.importorskip("yaml")
    text = (root / f".github/workflows/{request.param}.yml").read_text("utf-8")
    return yaml.safe_load(text)


def steps(workflow, job):
    return workflow["jobs"][job]["steps"]


def test_a_workflow_says_the_readme_s_words_and_no_others(workflow, root):
    said = {"tests": {"quick": ["make quick"], "check": [".ci/run"]},
            "publish": {"build": ["make book"]}}
    for job, words in said[workflow["name"]].items():
        assert [s["run"] for s in steps(workflow, job) if "run" in s] == words
    readme = (root / "README.md").read_text("utf-8")
    script = (root / ".ci" / "run").read_text("utf-8")
    for word in re.findall(r"^make \w+", script, re.M):
        assert word in readme or word == "make check"


def test_a_workflow_keeps_what_it_fetched_until_a_pin_changes(workflow):
    found = [
        step["with"] for job in workflow["jobs"] for step in
        steps(workflow, job) if "setup-python" in step.get("uses", "")
    ]
    for python in found:
        assert python["cache"] == "pip"
        assert python["cache-dependency-path"] == "constraints/*.txt"
    assert found


def test_a_workflow_takes_pytorch_from_the_makefile_s_cpu_index(workflow, root):
    assert "torch" not in str(workflow).lower()  # no second word on it
    makefile = (root / "Makefile").read_text("utf-8")
    assert re.search(r"^TORCH_INDEX \?= \S+/whl/cpu$", makefile, re.M)


def test_the_book_is_published_from_the_folder_that_make_book_fills(root):
    yaml = pytest.importorskip("yaml")
    text = (root / ".github/workflows/publish.yml").read_text("utf-8")
    publish = yaml.safe_load(text)
    assert publish["permissions"]["pages"] == "write"
    assert publish["permissions"]["id-token"] == "write"
    (upload,) = [s for s in steps(publish, "build")
                 if "upload-pages-artifact" in s.get("uses", "")]
    assert upload["with"]["path"] == "_build/html"
    assert publish["jobs"]["deploy"]["needs"] == "build"
    assert publish[True]["push"]["branches"] == ["main"]  # YAML reads `on`


def test_the_quick_job_comes_first(root):
    yaml = pytest.importorskip("yaml")
    text = (root / ".github/workflows/tests.yml").read_text("utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert jobs["check"]["needs"] == "quick"
    checkout = jobs["check"]["steps"][0]
    assert checkout["with"]["fetch-depth"] == 0  # a third is chosen by commits


# ---- the thirds


def git(folder, *words):
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words],
        cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def third(root, folder):
    return subprocess.run([root / "tools" / "third.sh"], cwd=folder,
                          capture_output=True, text=True).stdout.strip()


def test_three_commits_choose_three_thirds_and_no_history_all(root, tmp_path):
    house = tmp_path / "house"
    house.mkdir()
    assert third(root, house) == ""  # no git here
    git(house, "init", "-q")
    seen = []
    for _ in range(6):
        git(house, "commit", "-q", "--allow-empty", "-m", "x")
        seen.append(third(root, house))
    assert seen == ["1", "2", "0", "1", "2", "0"]
    git(tmp_path, "clone", "-q", "--depth", "1", house.as_uri(), "short")
    assert third(root, tmp_path / "short") == ""


def test_the_three_thirds_make_a_whole(monkeypatch):
    from tests import conftest

    names = list("abcdefgh")
    monkeypatch.setattr(conftest, "THIRD", "")
    assert conftest.of_this_third(names) == names
    seen = []
    for number in "012":
        monkeypatch.setattr(conftest, "THIRD", number)
        part = conftest.of_this_third(names)
        assert len(part) <= 3
        seen += part
        assert "e" in conftest.of_this_third(names, {"e"})
    assert sorted(seen) == names


def test_the_table_names_each_verb_and_the_one_that_failed(root, tmp_path):
    (tmp_path / "Makefile").write_text(
        "good:\n\t@echo working\nbad:\n\t@exit 3\nnever:\n\t@echo no\n")

    def timed(*verbs):
        done = subprocess.run(
            [root / "tools" / "timed.sh", *verbs], cwd=tmp_path,
            capture_output=True, text=True, env={**os.environ, "MAKEFLAGS": ""})
        return done.returncode, done.stdout

    code, said = timed("good", "good")
    assert code == 0 and said.count("s  make good\n") == 2
    assert "s  in all" in said and "FAILED" not in said
    code, said = timed("good", "bad", "never")
    assert code and re.search(r"\d+ s  make bad  FAILED\n", said)
    assert "make never" not in said and "s  in all" in said


# ---- line ends


def test_every_text_file_has_unix_line_ends_on_every_system(root, tmp_path):
    if not (root / ".git").exists():
        pytest.skip("no git here")
    ends = git(root, "ls-files", "--eol").splitlines()
    for line in ends:
        inside, _, rest = line.split(None, 2)
        assert inside in ("i/lf", "i/-text", "i/none"), line
        assert "eol=lf" in rest or "binary" in rest or "-text" in rest, line
