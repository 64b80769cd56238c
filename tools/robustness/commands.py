"""Every command of llama_moe that writes something, in one table.

A command's words have fields in braces: {target} is what it writes, every other field is
an input with a place of its own under `in/`. Commands run in a work directory where all
paths are relative, so that the same command gives the same bytes in every one of them,
reports included. Builder makes all inputs, and beside them each command's own result.
"""

import concurrent.futures
import dataclasses
import enum
import pathlib
import re
import shutil

import program
import snapshot


class Kind(enum.Enum):
    """What a command does with its target."""

    REPLACED = "a directory that is replaced as a whole"
    ADDED = "a folder that files are added to"
    RESULTS = "a folder of an experiment's results, in which `run` goes on"
    FILE = "a file"


@dataclasses.dataclass(frozen=True)
class Command:
    """A row of the table."""

    name: str
    words: str
    kind: Kind
    # Whether it has --overwrite; those that have not replace their own results always.
    has_overwrite: bool = True
    # What it writes beside its target: suffixes of the target's name.
    beside: tuple[str, ...] = ()
    # The field that its result is the input of, if any.
    makes: str = ""
    # Where it puts what is no part of the comparison, if anywhere.
    aside: str = ""
    # Whether the bytes are the same whenever it runs.
    is_reproducible: bool = True

    def line(self, target: str, overwrite: bool = False) -> list[str]:
        """The arguments of the program."""
        words = self.words.format(target=target, **PLACES).split()
        return words + ["--progress=none"] + ["--overwrite"] * overwrite

    def fields(self) -> list[str]:
        """The names of its inputs, each once."""
        names = re.findall(r"{(\w+)}", self.words)
        return sorted(set(names) - {"target"})

    def inputs(self) -> list[str]:
        """The files and directories that its words name."""
        words = [word for word in self.words.split() if "{" in word]
        paths = [word.split("=")[-1] for word in words if "{target}" not in word]
        return sorted({path.format(**PLACES) for path in paths})


MODEL = "in/models/llama"
PLACES = {
    "model": MODEL,
    "data": "in/data",
    "spec": "in/spec.textproto",
    "results": "in/made/results",
    "lock": "in/made/results/lock.textproto",
}
_MODEL_AND_DATA = "--model_path={model} --dataset_dir_or_path={data}"
_BATCHES = "--max_steps=3 --batch_size=2 --model_max_length=64 --seed=5"
_WALK = f"{_MODEL_AND_DATA} {_BATCHES}"
_SAVE = "--save_path={target}"
_EXPERIMENT = f"--experiment={{spec}} {_MODEL_AND_DATA}"
_MADE = "--made=router={results}/router"
_STEP_MLP = f"run_step {_EXPERIMENT} --step=mlp {_MADE} neurons={{results}}/neurons"
_STEP_SCORES = f"run_step {_EXPERIMENT} --step=scores {_MADE}"
_ROUTER = "--gate_weights_file={router}/gate_weights.safetensors"
_GRADS = f"split_gradient_get_grads {_WALK} {_ROUTER} {_SAVE}"
_HIDDEN = f"get_hidden_distribution {_WALK} {_SAVE}"
_EIGHT = "--num_experts=8"
_RECONSTRUCT = (
    "reconstruct_converted_model --model_path={residual} --dense_model_path={model}"
    f" --dataset_dir_or_path={{data}} {_BATCHES}"
)
_REMOVE = f"remove_neurons {_WALK} --num_neurons=96"
_PART = "part-{}-of-2.safetensors"


def _merge(folder: str, artifact: str) -> str:
    return "--merge " + " ".join(f"{{{folder}{i}}}/{artifact}.{_PART.format(i)}" for i in range(2))


def _artifacts() -> list[Command]:
    added = Kind.ADDED
    scores = "importance_scores.safetensors"
    distribution = "get_hidden_distribution"
    return [
        Command(
            "hidden_clustering",
            f"hidden_clustering {_WALK} {_EIGHT} --n_init=1 {_SAVE}",
            added,
            makes="router",
        ),
        Command(
            "random_selection",
            f"random_selection {_WALK} --num_experts=7 {_SAVE}",
            added,
            makes="router7",
        ),
        Command("get_grads", _GRADS, added, makes="scores"),
        Command("get_grads_shard", f"{_GRADS} --shards=2 --shard=0", added, makes="scores0"),
        Command(
            "get_grads_merge",
            f"split_gradient_get_grads {_SAVE} {_merge('scores', 'importance_scores')}",
            added,
        ),
        Command(
            "split_gradient",
            f"split_gradient --score_file={{scores}}/{scores} {_EIGHT} {_SAVE}",
            added,
            makes="neurons",
        ),
        Command(
            "split_gradient_residual",
            f"split_gradient_residual --score_file={{scores7}}/{scores} --num_experts_moe=7 {_SAVE}",
            added,
            makes="neurons7",
        ),
        Command(
            "split_sequential", f"split_sequential --model_path={{model}} {_EIGHT} {_SAVE}", added
        ),
        Command("split_random", f"split_random --model_path={{model}} {_EIGHT} {_SAVE}", added),
        Command(
            "split_energy",
            f"split_energy {_WALK} {_EIGHT} --num_shared_neurons=16 --top_k=2 {_SAVE}",
            added,
        ),
        Command(
            "split_activation_rate",
            f"split_activation_rate {_WALK} {_EIGHT} --num_shared_neurons=16 --top_k=2 {_SAVE}",
            added,
        ),
        Command(distribution, _HIDDEN, added, makes="distribution"),
        Command(
            f"{distribution}_shard", f"{_HIDDEN} --shards=2 --shard=0", added, makes="distribution0"
        ),
        Command(
            f"{distribution}_merge",
            f"{distribution} {_SAVE} {_merge('distribution', 'distribution')}",
            added,
        ),
    ]


def _checkpoints() -> list[Command]:
    replaced = Kind.REPLACED
    indices = "--neuron_indices_file={neurons}/neuron_indices.safetensors"
    routed = f"{_ROUTER} {indices}"
    routed7 = routed.replace("router}", "router7}").replace("neurons}", "neurons7}")
    return [
        Command(
            "convert_mixtral",
            f"convert_mixtral --model_path={{model}} {routed} {_SAVE}",
            replaced,
            makes="mlp",
        ),
        Command(
            "convert_mixtral_residual",
            f"convert_mixtral_residual --model_path={{model}} {routed7} {_SAVE}",
            replaced,
            makes="residual",
        ),
        Command(
            "convert_mixtral_attn_moe",
            "convert_mixtral_attn_moe --model_path={mlp} --top_k_attn=2"
            f" --scale_factor_attn=3 {_SAVE}",
            replaced,
            makes="attention",
        ),
        Command(
            "align_converted_model",
            "align_converted_model --model_path={attention}"
            f" --dataset_dir_or_path={{data}} {_BATCHES}"
            f" --reference_distribution_file={{distribution}}/distribution.safetensors {_SAVE}",
            replaced,
            beside=(".alignment",),
        ),
        Command("reconstruct_converted_model", f"{_RECONSTRUCT} {_SAVE}", replaced),
        Command("remove_neurons", f"{_REMOVE} {_SAVE}", replaced),
        Command(
            "export_mixtral", f"export --model_path={{mlp}} --target=mixtral {_SAVE}", replaced
        ),
        Command(
            "export_granitemoeshared",
            f"export --model_path={{residual}} --target=granitemoeshared {_SAVE}",
            replaced,
        ),
        Command(
            "export_ernie4_5_moe",
            f"export --model_path={{residual}} --target=ernie4_5_moe {_SAVE}",
            replaced,
        ),
    ]


def _experiments() -> list[Command]:
    replaced = Kind.REPLACED
    record = (".record.textproto",)
    by_itself = {"has_overwrite": False}
    report = "report --experiment={spec} --results={results} --lock={lock}"
    return [
        Command("run", f"run {_EXPERIMENT} {_SAVE}", Kind.RESULTS, **by_itself, makes="results"),
        Command("run_step", f"{_STEP_MLP} {_SAVE}", replaced, **by_itself, beside=record),
        Command(
            "run_step_shard",
            f"{_STEP_SCORES} --shards=2 --shard=0 {_SAVE}",
            replaced,
            **by_itself,
            makes="step0",
        ),
        Command(
            "run_step_merge",
            f"{_STEP_SCORES} --merge={{step0}} {{step1}} {_SAVE}",
            replaced,
            **by_itself,
            beside=record,
        ),
        Command(
            "run_step_take",
            f"{_STEP_MLP} --take={{results}}/mlp {_SAVE}",
            replaced,
            **by_itself,
            beside=record,
        ),
        Command("report", f"{report} {_SAVE}", replaced),
    ]


def _files() -> list[Command]:
    file = Kind.FILE
    verify = f"verify {_EXPERIMENT} --results={{results}}"
    return [
        Command("tokenize", f"tokenize {_MODEL_AND_DATA} {_SAVE}", file, makes="tokens"),
        Command("evaluate_report", f"evaluate {_WALK} --report_out={{target}}", file),
        Command(
            "reconstruction_report",
            f"{_RECONSTRUCT} --save_path=out/made --report_out={{target}}",
            file,
            aside="out/made",
        ),
        Command(
            "neuron_removal_report",
            f"{_REMOVE} --save_path=out/made --report_out={{target}}",
            file,
            aside="out/made",
        ),
        Command("evaluate_logits", f"evaluate {_WALK} --logits_out={{target}}", file),
        Command(
            "run_step_timing",
            f"{_STEP_MLP} --save_path=out/step --timing_out={{target}}",
            file,
            has_overwrite=False,
            aside="out/step",
            is_reproducible=False,
        ),
        Command(
            "verify_update_lock", f"{verify} --update_lock={{target}}", file, has_overwrite=False
        ),
    ]


COMMANDS = _artifacts() + _checkpoints() + _experiments() + _files()

# What only makes inputs.
_HELPERS = [
    Command("scores7", _GRADS.replace("{router}", "{router7}"), Kind.ADDED, makes="scores7"),
    Command("scores1", f"{_GRADS} --shards=2 --shard=1", Kind.ADDED, makes="scores1"),
    Command("distribution1", f"{_HIDDEN} --shards=2 --shard=1", Kind.ADDED, makes="distribution1"),
    Command("step1", f"{_STEP_SCORES} --shards=2 --shard=1 {_SAVE}", Kind.REPLACED, makes="step1"),
]
for _command in COMMANDS + _HELPERS:
    if _command.makes:
        PLACES.setdefault(_command.makes, f"in/made/{_command.makes}")

# Where a command's result lies, unless a test wants it elsewhere.
TARGET = "out/target"


def by_name(name: str) -> Command:
    """The row of that name."""
    return next(command for command in COMMANDS if command.name == name)


def copy(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copies a file or a tree, times included; links stay links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


class Builder:
    """Makes the inputs of all commands, and their own results, under one root.

    `root/in` is laid out as PLACES says; `root/own/NAME` is the work directory's `out`
    after the command NAME.
    """

    def __init__(self, binary: pathlib.Path, root: pathlib.Path, testdata: pathlib.Path):
        self.binary = binary
        self.root = root
        self._testdata = testdata
        self.seconds: dict[str, float] = {}
        self._expected: dict[str, dict[str, str]] = {}

    def build(self, names: list[str] | None = None, workers: int = 2) -> None:
        """Makes what the named commands need, or what all do."""
        self._write_sources()
        wanted = [by_name(name) for name in names] if names else list(COMMANDS)
        waiting = self._with_makers(wanted)
        while waiting:
            ready = [command for command in waiting if self._is_ready(command)]
            if not ready:
                raise RuntimeError(f"no inputs for {[c.name for c in waiting]}")
            with concurrent.futures.ThreadPoolExecutor(workers) as pool:
                list(pool.map(self._make, ready))
            waiting = [command for command in waiting if command not in ready]

    def expected(self, command: Command) -> dict[str, str]:
        """The digests of the command's own result."""
        return self._expected[command.name]

    def own(self, command: Command) -> pathlib.Path:
        """The `out` of a work directory in which the command has run."""
        return self.root / "own" / command.name

    def work_directory(self, path: pathlib.Path, command: Command) -> pathlib.Path:
        """A new work directory with the command's inputs and an empty `out`."""
        for name in ("out", "tmp"):
            (path / name).mkdir(parents=True)
        for field in command.fields():
            copy(self.root / PLACES[field], path / PLACES[field])
        return path

    def put_own(self, path: pathlib.Path, command: Command, target: str = TARGET) -> None:
        """Puts the command's own result, and what lies beside it, at `target`."""
        for suffix in ("",) + command.beside:
            copy(self.own(command) / f"target{suffix}", path / f"{target}{suffix}")

    def _write_sources(self) -> None:
        root = self.root / "in"
        copy_contents(self._testdata / "testdata/llama_gqa_bf16", root / "models/llama")
        (root / "models/notes.txt").write_text("of the folder of models\n", encoding="utf-8")
        (root / "data").mkdir()
        for name, count in (("conversations.jsonl", 24), ("messages.jsonl", 8)):
            text = (self._testdata / "testdata/stories" / name).read_text(encoding="utf-8")
            lines = text.splitlines(keepends=True)[:count]
            (root / "data" / name).write_text("".join(lines), encoding="utf-8")
        spec = (self._testdata / "experiments/gsp_vanilla.textproto").read_text(encoding="utf-8")
        (root / "spec.textproto").write_text(little_spec(spec), encoding="utf-8")

    @staticmethod
    def _with_makers(wanted: list[Command]) -> list[Command]:
        makers = {command.makes: command for command in COMMANDS + _HELPERS if command.makes}
        makers["lock"] = makers["results"]
        found: list[Command] = []
        queue = list(wanted)
        while queue:
            command = queue.pop()
            if command in found:
                continue
            found.append(command)
            queue += [makers[field] for field in command.fields() if field in makers]
        return found

    def _is_ready(self, command: Command) -> bool:
        return all((self.root / PLACES[field]).exists() for field in command.fields())

    def _make(self, command: Command) -> None:
        work = self.work_directory(self.root / "build" / command.name, command)
        result = program.run(self.binary, command.line(TARGET), work)
        if result.status != 0:
            raise RuntimeError(f"{command.name}: exit status {result.status}: {result.err}")
        self.seconds[command.name] = result.seconds
        self._expected[command.name] = fingerprint(work / "out", command)
        copy(work / "out", self.own(command))
        if command.makes:
            # Under another name until it is whole: others look whether it is there.
            partial = self.root / "making" / command.makes
            copy(work / TARGET, partial)
            place = self.root / PLACES[command.makes]
            place.parent.mkdir(parents=True, exist_ok=True)
            partial.rename(place)
        shutil.rmtree(work)


def copy_contents(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copies a folder's files, those that links lead to included, to be written to."""
    target.mkdir(parents=True)
    for path in sorted(source.iterdir()):
        (target / path.name).write_bytes(path.read_bytes())


def little_spec(spec: str) -> str:
    """The experiment on so little data that it takes seconds."""
    for old, new in (
        ("max_steps: 32", "max_steps: 1"),
        ("n_init: 4", "n_init: 1"),
        ("no_shuffle: true", "no_shuffle: true max_steps: 2"),
    ):
        spec = spec.replace(old, new)
    return spec


# The report of router weights has their times, and the record of that step the report's digest.
_TIMED = (".timing.textproto", "router/gate_weights.report.json", "router.record.textproto")


# Their reports have times.
_TIMED_STEPS = ("hidden_clustering", "random_selection", "split_energy", "split_activation_rate")


def _is_timed(name: str, command: Command) -> bool:
    if name.endswith(_TIMED) or not command.is_reproducible:
        return True
    if command.name in _TIMED_STEPS:
        return name.endswith(".report.json")
    return command.kind is Kind.RESULTS and name.startswith("target/report/")


def fingerprint(out: pathlib.Path, command: Command, target: str = "target") -> dict[str, str]:
    """The digest of every file of a result; where times are written, that it is not empty.

    Names are as if the target was called "target"; other files of `out` are left out.
    """
    found = {}
    for name, entry in snapshot.take(out).items():
        if entry.kind != "file" or not is_of(name, command, target):
            continue
        name = "target" + name[len(target) :]
        timed = _is_timed(name, command)
        found[name] = ("timed" if entry.size else "empty") if timed else entry.sha256
    return _without_sizes_of_timed(found)


def _without_sizes_of_timed(found: dict[str, str]) -> dict[str, str]:
    """A folder's record names the size of each file: it varies where times are written."""
    timed = [name for name, digest in found.items() if digest == "timed"]
    for name in found:
        folder, _, last = name.rpartition("/")
        if last == ".llama_moe" and any(other.startswith(folder + "/") for other in timed):
            found[name] = "timed"
    return found


def is_of(name: str, command: Command, target: str) -> bool:
    """Whether a path is the target, in it, or what the command writes beside it."""
    places = [target + suffix for suffix in ("",) + command.beside]
    return any(name == place or name.startswith(place + "/") for place in places)
