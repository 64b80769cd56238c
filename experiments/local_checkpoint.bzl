"""A model that lies outside the workspace, as a target.

    # WORKSPACE
    load("//experiments:local_checkpoint.bzl", "local_checkpoint")
    local_checkpoint(name = "my_model", path = "/data/models/my_model")

makes `@my_model//:checkpoint`, which llama_moe_experiment, checkpoint_diff_test and
checkpoint_digest_test take. The files are linked, not copied, and looked at again
in every build.
"""

_BUILD = """filegroup(
    name = "checkpoint",
    srcs = glob(
        ["checkpoint/*"],
        exclude = ["checkpoint/*.py"],
    ),
    visibility = ["//visibility:public"],
)
"""

def _local_checkpoint_impl(repository_ctx):
    path = repository_ctx.attr.path
    if not path.startswith("/"):
        path = "%s/%s" % (repository_ctx.path(Label("//:WORKSPACE")).dirname, path)
    directory = repository_ctx.path(path)
    if not directory.exists or not directory.get_child("config.json").exists:
        fail("@%s: %s is no checkpoint: there is no config.json. `path` is the directory of a model in Hugging Face form" % (
            repository_ctx.name,
            path,
        ))
    repository_ctx.symlink(directory, "checkpoint")
    repository_ctx.file("BUILD.bazel", _BUILD, executable = False)

local_checkpoint = repository_rule(
    implementation = _local_checkpoint_impl,
    doc = "A checkpoint of this machine.",
    local = True,
    attrs = {
        "path": attr.string(
            mandatory = True,
            doc = "The checkpoint's directory; a relative path is one of the workspace.",
        ),
    },
)
