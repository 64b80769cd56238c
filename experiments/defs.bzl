"""Experiments and checkpoints as targets.

    llama_moe_experiment(
        name = "gsp_vanilla",
        data = "//testdata:stories",
        lock = "gsp_vanilla.lock.textproto",
        model = "//testdata:llama_gqa_bf16",
        spec = "gsp_vanilla.textproto",
        steps = {
            "router": [],
            "scores": ["router"],
        },
    )

makes a target for each step, `:gsp_vanilla_router`, whose action runs
//tools:llama_moe on declared inputs, so that it is cached by content wherever
Bazel keeps its cache; `:gsp_vanilla_report`, a folder with report.html and report.json;
`:gsp_vanilla` for `bazel run`; and `:gsp_vanilla_test`.
README.md says how they are used.
"""

ExperimentStepInfo = provider(
    doc = "What a step of an experiment has made.",
    fields = {
        "directory": "a directory: an artifact with its report, or a checkpoint",
        "record": "the file that says what is in it, and what it was made from",
        "step": "the step's name",
        "timing": "the file that says how long it took, which no step reads",
    },
)

def directory_of(target, short):
    """The directory that a target's files lie in.

    Args:
      target: a step of an experiment, or files that all lie in one directory.
      short: whether to give the path among runfiles, else that of an action.

    Returns:
      The path.
    """
    if ExperimentStepInfo in target:
        directory = target[ExperimentStepInfo].directory
        return directory.short_path if short else directory.path
    files = target[DefaultInfo].files.to_list()
    if len(files) == 1 and files[0].is_directory:
        return files[0].short_path if short else files[0].path
    paths = {(file.short_path if short else file.path).rpartition("/")[0]: None for file in files}
    if len(paths) != 1:
        fail("%s: the files of a checkpoint or of data lie in one directory; found are %s" % (
            target.label,
            ", ".join(sorted(paths)) or "no files",
        ))
    return paths.keys()[0]

_INPUTS = {
    "data": attr.label(
        mandatory = True,
        allow_files = True,
        doc = "The dataset's files, which lie in one directory.",
    ),
    "model": attr.label(
        mandatory = True,
        allow_files = True,
        doc = "The files of the dense checkpoint, which lie in one directory.",
    ),
    "spec": attr.label(
        mandatory = True,
        allow_single_file = [".textproto"],
        doc = "An ExperimentSpec (moe/experiment/experiment_spec.proto).",
    ),
    # The target's configuration is used, so that nothing is built twice: an experiment
    # runs what the tests test.
    "_tool": attr.label(
        default = "//tools:llama_moe",
        executable = True,
        cfg = "target",
    ),
}

# --define=step_env.NAME=VALUE gives a variable to steps. --action_env would do so, too,
# and have every file of the build compiled again.
_STEP_ENV = "step_env."

def _step_env(ctx):
    variables = dict(ctx.configuration.default_shell_env)
    for name, value in ctx.var.items():
        if name.startswith(_STEP_ENV):
            variables[name[len(_STEP_ENV):]] = value
    return variables

def _run_step(ctx, outputs, inputs, arguments, what):
    arguments = [
        "run_step",
        "--experiment=" + ctx.file.spec.path,
        "--model_path=" + directory_of(ctx.attr.model, False),
        "--dataset_dir_or_path=" + directory_of(ctx.attr.data, False),
        "--step=" + ctx.attr.step,
        "--memory_budget=" + ctx.attr.memory_budget,
        "--progress=none",
    ] + arguments
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = arguments,
        inputs = depset(
            [ctx.file.spec] + inputs,
            transitive = [ctx.attr.model[DefaultInfo].files, ctx.attr.data[DefaultInfo].files],
        ),
        outputs = outputs,
        tools = [ctx.attr._tool[DefaultInfo].files_to_run],
        env = _step_env(ctx),
        mnemonic = "ExperimentStep",
        progress_message = "Running %s%s" % (ctx.label, what),
    )

def _experiment_step_impl(ctx):
    place = ctx.attr.results + "/" + ctx.attr.step
    directory = ctx.actions.declare_directory(place)
    record = ctx.actions.declare_file(place + ".record.textproto")
    timing = ctx.actions.declare_file(place + ".timing.textproto")
    made = [target[ExperimentStepInfo] for target in ctx.attr.reads]
    inputs = [info.directory for info in made] + [info.record for info in made]
    arguments = ["--made=%s=%s" % (info.step, info.directory.path) for info in made]
    if ctx.attr.take:
        taken = ctx.attr.take[ExperimentStepInfo]
        inputs += [taken.directory, taken.record]
        arguments.append("--take=" + taken.directory.path)
    parts = []
    part_timings = []
    for shard in range(ctx.attr.shards if ctx.attr.shards > 1 else 0):
        part = ctx.actions.declare_directory("%s.parts/%d" % (place, shard))
        part_timing = ctx.actions.declare_file("%s.parts/%d.timing.textproto" % (place, shard))
        parts.append(part)
        part_timings.append(part_timing)
        _run_step(ctx, [part, part_timing], inputs, arguments + [
            "--save_path=" + part.path,
            "--timing_out=" + part_timing.path,
            "--shards=%d" % ctx.attr.shards,
            "--shard=%d" % shard,
        ], ", part %d of %d" % (shard + 1, ctx.attr.shards))
    _run_step(
        ctx,
        [directory, record, timing],
        inputs + parts + part_timings,
        arguments + ["--save_path=" + directory.path, "--timing_out=" + timing.path] +
        ["--merge=" + part.path for part in parts],
        "",
    )
    return [
        DefaultInfo(files = depset([directory, record])),
        ExperimentStepInfo(
            step = ctx.attr.step,
            directory = directory,
            record = record,
            timing = timing,
        ),
    ]

_experiment_step = rule(
    implementation = _experiment_step_impl,
    doc = "One step of an experiment.",
    attrs = dict(
        _INPUTS,
        memory_budget = attr.string(
            default = "2GiB",
            doc = "Of an action, for weights and activations; no result depends on it.",
        ),
        reads = attr.label_list(
            providers = [ExperimentStepInfo],
            doc = "The steps that this one reads.",
        ),
        results = attr.string(
            mandatory = True,
            doc = "The directory that all steps of the experiment write into.",
        ),
        shards = attr.int(
            default = 1,
            doc = "Parts that the work is shared out among; the result has the same bytes.",
        ),
        step = attr.string(
            mandatory = True,
            doc = "The step's name in the spec.",
        ),
        take = attr.label(
            providers = [ExperimentStepInfo],
            doc = "The same step of another experiment, to copy; an error if it is not the same.",
        ),
    ),
)

_REPORT = dict(
    _INPUTS,
    lock = attr.label(
        mandatory = True,
        allow_single_file = [".textproto"],
        doc = "An ExperimentLock (moe/experiment/experiment_lock.proto).",
    ),
    steps = attr.label_list(
        mandatory = True,
        providers = [ExperimentStepInfo],
    ),
)

def _experiment_report_impl(ctx):
    steps = [target[ExperimentStepInfo] for target in ctx.attr.steps]
    report = ctx.actions.declare_directory(ctx.attr.results + "/report")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [
            "report",
            "--experiment=" + ctx.file.spec.path,
            "--model_path=" + directory_of(ctx.attr.model, False),
            "--dataset_dir_or_path=" + directory_of(ctx.attr.data, False),
            "--results=" + steps[0].directory.path.rpartition("/")[0],
            "--lock=" + ctx.file.lock.path,
            "--target=//%s:%s" % (ctx.label.package, ctx.attr.experiment),
            "--save_path=" + report.path,
            "--overwrite",
            "--progress=none",
        ],
        inputs = depset(
            [ctx.file.spec, ctx.file.lock] +
            [info.directory for info in steps] +
            [info.record for info in steps] +
            [info.timing for info in steps],
            transitive = [ctx.attr.model[DefaultInfo].files, ctx.attr.data[DefaultInfo].files],
        ),
        outputs = [report],
        tools = [ctx.attr._tool[DefaultInfo].files_to_run],
        use_default_shell_env = True,
        mnemonic = "ExperimentReport",
        progress_message = "Writing %s" % ctx.label,
    )
    return [DefaultInfo(files = depset([report]), runfiles = ctx.runfiles([report]))]

_experiment_report = rule(
    implementation = _experiment_report_impl,
    doc = "report.html and report.json of the results of an experiment.",
    attrs = dict(
        _REPORT,
        experiment = attr.string(
            mandatory = True,
            doc = "The name of the target to run it.",
        ),
        results = attr.string(
            mandatory = True,
            doc = "The directory that all steps of the experiment write into.",
        ),
    ),
)

_SCRIPT = """#!/usr/bin/env bash
export STARTED_IN="${PWD}"
cd "${RUNFILES_DIR:-${TEST_SRCDIR:-$0.runfiles}}"/%s || exit 2
exec %s "$@"
"""

def _quote(text):
    return "'" + text.replace("'", "'\\''") + "'"

def _script(ctx, words, files):
    """Providers of a script that runs `words` in the directory of its runfiles."""
    script = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.write(
        script,
        _SCRIPT % (_quote(ctx.workspace_name), " ".join([_quote(word) for word in words])),
        is_executable = True,
    )
    runfiles = ctx.runfiles(transitive_files = files)
    return [DefaultInfo(
        executable = script,
        runfiles = runfiles.merge(ctx.attr._tool[DefaultInfo].default_runfiles),
    )]

def _experiment_impl(ctx):
    steps = [target[ExperimentStepInfo] for target in ctx.attr.steps]
    words = [
        ctx.file._launcher.short_path,
        "//%s:%s" % (ctx.label.package, ctx.label.name),
        ctx.executable._tool.short_path,
        ctx.file.spec.short_path,
        ctx.file.lock.short_path,
        directory_of(ctx.attr.model, True),
        directory_of(ctx.attr.data, True),
        steps[0].directory.short_path.rpartition("/")[0],
    ]
    return _script(ctx, words, depset(
        [ctx.file._launcher, ctx.file.spec, ctx.file.lock] +
        [info.directory for info in steps] +
        [info.record for info in steps] +
        [info.timing for info in steps] +
        # A test needs none.
        (ctx.files.report if ctx.attr.report else []),
        transitive = [ctx.attr.model[DefaultInfo].files, ctx.attr.data[DefaultInfo].files],
    ))

_EXPERIMENT = dict(
    _REPORT,
    report = attr.label(doc = "The experiment's report, where it is to be at hand."),
    _launcher = attr.label(
        default = "//experiments:run_experiment.sh",
        allow_single_file = True,
    ),
)

_experiment = rule(
    implementation = _experiment_impl,
    doc = "Holds the results of an experiment to its lock.",
    executable = True,
    attrs = _EXPERIMENT,
)

_experiment_test = rule(
    implementation = _experiment_impl,
    doc = "The same, as a test.",
    test = True,
    attrs = _EXPERIMENT,
)

def experiment_step(name, spec, step, model, data, shards = 1, **kwargs):
    """A step that several experiments share, such as the reference of an alignment.

    It reads no other step, and has no lock: those of the experiments pin it.

    Args:
      name: of the target, for `shared` of llama_moe_experiment.
      spec: the .textproto file that has the step.
      step: the step's name there.
      model: the files of the dense checkpoint.
      data: the files of the dataset.
      shards: the number of its parts, if it can be shared out.
      **kwargs: what every target has.
    """
    _experiment_step(
        name = name,
        data = data,
        model = model,
        results = name + ".results",
        shards = shards,
        spec = spec,
        step = step,
        **kwargs
    )

def llama_moe_experiment(
        name,
        spec,
        lock,
        model,
        data,
        steps,
        shared = {},
        shards = {},
        memory_budget = "2GiB",
        size = "small",
        tags = []):
    """An experiment: its steps, their report, `bazel run` for it, and a test.

    Args:
      name: the experiment's name, as the spec has it.
      spec: the .textproto file that says what is run.
      lock: the .textproto file that says what comes out; empty before the first
        `bazel run :NAME -- --update_lock`.
      model: the files of the dense checkpoint: a filegroup, or a local_checkpoint.
      data: the files of the dataset.
      steps: for each step of the spec, in its order, the steps that it reads. A
        step that is missing here, or that reads another one, is an error when it runs.
      shared: for a step that is made elsewhere, its target: an experiment_step, or a
        step of another experiment. That it is the same, of the same model and data, is
        checked when it is taken.
      shards: for a step that can be shared out, the number of its parts.
      memory_budget: of each action, for weights and activations; no result depends on
        it.
      size: of the test, which reads the results and runs no step.
      tags: of all targets.
    """
    inputs = {"data": data, "model": model, "spec": spec, "tags": tags}
    for step, reads in steps.items():
        _experiment_step(
            name = "%s_%s" % (name, step),
            memory_budget = memory_budget,
            reads = [":%s_%s" % (name, other) for other in reads],
            results = name + ".results",
            shards = shards.get(step, 1),
            step = step,
            take = shared.get(step),
            **inputs
        )
    targets = [":%s_%s" % (name, step) for step in steps]
    _experiment_report(
        name = name + "_report",
        experiment = name,
        lock = lock,
        results = name + ".results",
        steps = targets,
        **inputs
    )
    _experiment(
        name = name,
        lock = lock,
        report = ":%s_report" % name,
        steps = targets,
        **inputs
    )
    _experiment_test(name = name + "_test", lock = lock, size = size, steps = targets, **inputs)

# ---- Tests of checkpoints ----

def _checkpoint_test(ctx, targets, words):
    return _script(
        ctx,
        [ctx.executable._tool.short_path] + words + ["--progress=none"],
        depset(transitive = [target[DefaultInfo].files for target in targets]),
    )

_CHECKPOINT = "a checkpoint: a step of an experiment, a local_checkpoint, or files of one directory"

def _checkpoint_diff_test_impl(ctx):
    words = ["diff", directory_of(ctx.attr.actual, True), directory_of(ctx.attr.expected, True)]
    for name in ["rtol", "atol", "max_ulp"]:
        value = getattr(ctx.attr, name)
        if value:
            words.append("--%s=%s" % (name, value))
    if ctx.attr.ignore_config:
        words.append("--ignore_config")
    return _checkpoint_test(ctx, [ctx.attr.actual, ctx.attr.expected], words)

_checkpoint_diff_test = rule(
    implementation = _checkpoint_diff_test_impl,
    test = True,
    attrs = {
        "actual": attr.label(mandatory = True, allow_files = True, doc = _CHECKPOINT),
        "atol": attr.string(),
        "expected": attr.label(mandatory = True, allow_files = True, doc = _CHECKPOINT),
        "ignore_config": attr.bool(),
        "max_ulp": attr.string(),
        "rtol": attr.string(),
        "_tool": _INPUTS["_tool"],
    },
)

def checkpoint_diff_test(name, actual, expected, rtol = None, atol = None, max_ulp = None, **kwargs):
    """Passes if two checkpoints hold the same, as `llama_moe diff` has it.

        checkpoint_diff_test(
            name = "my_model_is_as_before",
            actual = ":my_experiment_attention",
            expected = "@my_old_model//:checkpoint",
            max_ulp = 1,
        )

    Without a tolerance every bit counts. With one, elements a of `actual` and b of
    `expected` pass if |a - b| <= atol + rtol * |b|, or if there are at most max_ulp
    representable numbers from one to the other.

    Args:
      name: of the test.
      actual: a checkpoint: a step of an experiment, a local_checkpoint, or files of
        one directory.
      expected: another.
      rtol: a number, or a text such as "1e-5".
      atol: the same.
      max_ulp: the same, whole.
      **kwargs: ignore_config, and what every test has.
    """
    tolerances = {"rtol": rtol, "atol": atol, "max_ulp": max_ulp}
    _checkpoint_diff_test(
        name = name,
        actual = actual,
        expected = expected,
        **dict(kwargs, **{key: str(value) for key, value in tolerances.items() if value != None})
    )

def _checkpoint_digest_test_impl(ctx):
    words = ["digest", directory_of(ctx.attr.checkpoint, True), "--expected=" + ctx.attr.sha256]
    return _checkpoint_test(ctx, [ctx.attr.checkpoint], words)

checkpoint_digest_test = rule(
    implementation = _checkpoint_digest_test_impl,
    doc = """Passes if a checkpoint has this digest, as `llama_moe digest` prints it.

        checkpoint_digest_test(
            name = "my_model_test",
            checkpoint = "@my_model//:checkpoint",
            sha256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        )
    """,
    test = True,
    attrs = {
        "checkpoint": attr.label(mandatory = True, allow_files = True, doc = _CHECKPOINT),
        "sha256": attr.string(mandatory = True),
        "_tool": _INPUTS["_tool"],
    },
)
