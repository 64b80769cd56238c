"""SentencePiece, the tokenizer library of Llama 1 and 2, from the distribution.

The library is copied, with what it bundles of other libraries made private: see
private_symbols.py.
"""

load("//tools/workspace:system_library.bzl", "write_stamp")

_BUILD = """
load("@rules_cc//cc:defs.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])

# The library that trains models, which nothing here needs, is left out.
cc_library(
    name = "sentencepiece",
    srcs = ["{library}"],
    hdrs = ["stamp.h"],
    # In the headers of newer releases.
    deps = ["@com_google_absl//absl/status"],
)
"""

def _run(repository_ctx, command):
    result = repository_ctx.execute(command)
    if result.return_code != 0:
        fail("@%s: `%s` failed; run ./bazelw, which installs what the build needs.\n%s" % (
            repository_ctx.name,
            " ".join([str(part) for part in command]),
            result.stderr,
        ))
    return result.stdout.strip()

def _sentencepiece_impl(repository_ctx):
    write_stamp(repository_ctx, ["libsentencepiece-dev"])
    compiler = repository_ctx.os.environ.get("CC", "gcc")
    found = _run(repository_ctx, [compiler, "-print-file-name=libsentencepiece.so"])

    # Its name with the version, by which programs look for it.
    source = repository_ctx.path(found).realpath
    soname = _run(repository_ctx, ["sh", "-c", "objdump -p '%s' | sed -n 's/^ *SONAME *//p'" % source])
    script = repository_ctx.path(repository_ctx.attr._script)
    copy = _run(repository_ctx, ["python3", script, source, soname, repository_ctx.path("")])
    repository_ctx.file("BUILD.bazel", _BUILD.format(library = copy), executable = False)

sentencepiece_repository = repository_rule(
    implementation = _sentencepiece_impl,
    # `local`: looked at again whenever the Bazel server starts.
    local = True,
    environ = ["CC"],
    attrs = {
        "_script": attr.label(default = "//tools/workspace/sentencepiece:private_symbols.py"),
    },
)
