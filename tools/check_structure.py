#!/usr/bin/env python3
"""Checks what the house promises of its files, by the list that git tracks.

  * every source of a room (moe/ROOM/x.cc) has a test beside it, x_test.cc, or is a
    test, a fuzzer, or help for tests (testing/);
  * no source has more than 600 lines;
  * what a room declares is in its namespace, moe::ROOM;
  * no file names what is unfinished.

Prints every finding and exits with 1 if there is one.
"""

import pathlib
import re
import subprocess
import sys

_MAX_LINES = 600
_NAMESPACE = re.compile(r"(?:inline )?namespace (moe\b[\w:]*) \{$")
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# Parts of one library in a file of their own, and the test of the whole: its name, or
# its path where it lies elsewhere.
_TESTED_BY = {
    "moe/checkpoint/artifact/pickle_machine.cc": "pt_pickle_test.cc",
    "moe/model/aten/aten_pass.cc": "aten_forward_test.cc",
    "moe/model/layer/attention_backward.cc": "attention_test.cc",
    "moe/model/walk/layer_pass.cc": "dense_walk_test.cc",
    "moe/reconstruct/layer_energies.cc": "energy_split_test.cc",
    "moe/steps/alignment_step.cc": "tools/cli/align_commands_test.cc",
    "moe/steps/all_steps.cc": "step_kind_test.cc",
    "moe/steps/checkpoint_and_report.cc": "tools/cli/reconstruct_command_test.cc",
    "moe/steps/conversion_steps.cc": "tools/cli/convert_commands_test.cc",
    "moe/steps/cost_model.cc": "moe/experiment/step_cost_test.cc",
    "moe/steps/energy_split_step.cc": "tools/cli/split_energy_command_test.cc",
    "moe/steps/evaluation_step.cc": "tools/cli/evaluate_command_test.cc",
    "moe/steps/hidden_distribution_step.cc": "tools/cli/align_commands_test.cc",
    "moe/steps/importance_scores_step.cc": "tools/cli/split_commands_test.cc",
    "moe/steps/neuron_removal_step.cc": "tools/cli/remove_neurons_command_test.cc",
    "moe/steps/neuron_split_steps.cc": "tools/cli/split_commands_test.cc",
    "moe/steps/rate_split_step.cc": "tools/cli/split_activation_rate_command_test.cc",
    "moe/steps/reconstruction_step.cc": "tools/cli/reconstruct_command_test.cc",
    "moe/steps/router_steps.cc": "tools/cli/gates_commands_test.cc",
    "moe/steps/sharded_sums.cc": "tools/cli/split_commands_test.cc",
    "moe/steps/walk_session.cc": "tools/cli/evaluate_command_test.cc",
    "moe/text/jinja/builtins.cc": "template_test.cc",
    "moe/text/jinja/expression_parser.cc": "parser_test.cc",
    "moe/text/jinja/filters.cc": "template_test.cc",
    "moe/text/jinja/methods.cc": "template_test.cc",
    "moe/text/jinja/operators.cc": "template_test.cc",
}
_CODE = {".cc", ".h", ".py", ".sh", ".bzl", ".proto"}


def tracked() -> list[pathlib.Path]:
    """The files of the repository, in order."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], check=True, capture_output=True, text=True
    ).stdout
    return [pathlib.Path(name) for name in names.split("\0") if name]


def needs_test(path: pathlib.Path) -> bool:
    """Whether a source has to have a test beside it."""
    if path.suffix != ".cc" or path.parts[0] != "moe":
        return False
    if "testing" in path.parts:
        return False
    return not path.stem.endswith(("_test", "_fuzzer", "_main", "_test_helper"))


def is_own_namespace(path: pathlib.Path, namespace: str) -> bool:
    """Whether a source may open this namespace of ours."""
    if path.parts[0] != "moe":
        return True
    own = f"moe::{path.parts[1]}"
    return namespace == own or namespace.startswith(own + "::")


def findings(files: list[pathlib.Path]) -> list[str]:
    """A line for each promise that is not kept."""
    known = set(files)
    found = []
    for path in files:
        if needs_test(path):
            name = _TESTED_BY.get(str(path), path.stem + "_test.cc")
            test = pathlib.Path(name) if "/" in name else path.with_name(name)
            if test not in known:
                found.append(f"{path}: there is no {test}")
        if path.suffix not in _CODE or not path.exists():
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > _MAX_LINES:
            found.append(f"{path}: {len(lines)} lines, more than {_MAX_LINES}")
        if path.name == pathlib.Path(__file__).name:
            continue
        for number, line in enumerate(lines, start=1):
            opened = _NAMESPACE.match(line)
            if opened and not is_own_namespace(path, opened.group(1)):
                expected = f"moe::{path.parts[1]}"
                found.append(
                    f"{path}:{number}: expected namespace {expected}, "
                    f"found {opened.group(1)}"
                )
            if _UNFINISHED.search(line):
                found.append(f"{path}:{number}: unfinished: {line.strip()}")
    return found


def main() -> int:
    found = findings(tracked())
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
