"""LibTorch: the distribution's, or the one that $LIBTORCH_HOME names.

$LIBTORCH_HOME is the folder with include/ and lib/ of an official archive, or the
torch/ folder of a Python wheel. It has to be one of the builds with the C++11
library ABI, since everything else that the build links has it.
"""

load("//tools/workspace:system_library.bzl", "write_stamp")

_LINK = ["-ltorch", "-ltorch_cpu", "-lc10"]

# The C++ API lies beside the rest of the headers, under a root of its own.
_API = "torch/csrc/api/include"

_BUILD = """
load("@rules_cc//cc:defs.bzl", "cc_library")

cc_library(
    name = "libtorch",
    hdrs = glob({headers}) + ["stamp.h"],
    includes = {includes},
    linkopts = {linkopts},
    # Tensors are for the model; files in Python's format, for their bridge. No other
    # room may come to depend on LibTorch.
    visibility = [
        "@//benchmarks:__pkg__",
        "@//moe/checkpoint/artifact:__pkg__",
        "@//moe/model:__subpackages__",
        "@//tools/workspace:__pkg__",
    ],
)
"""

def _write_build(repository_ctx, headers, includes, linkopts):
    repository_ctx.file(
        "BUILD.bazel",
        _BUILD.format(headers = headers, includes = includes, linkopts = linkopts),
        executable = False,
    )

def _use_distribution(repository_ctx):
    api = repository_ctx.path("/usr/include/" + _API)
    if not api.exists:
        fail("@libtorch: /usr/include/%s is missing: run ./bazelw, which installs libtorch-dev, or set LIBTORCH_HOME" % _API)
    write_stamp(repository_ctx, ["libtorch-dev"])
    repository_ctx.symlink(api, "api")
    _write_build(repository_ctx, ["api/**/*.h"], ["api"], _LINK)

def _check_abi(repository_ctx, home):
    config = repository_ctx.path(home + "/share/cmake/Torch/TorchConfig.cmake")
    if config.exists and "_GLIBCXX_USE_CXX11_ABI=0" in repository_ctx.read(config):
        fail("LIBTORCH_HOME=%s has the old C++ library ABI; take a build with the C++11 ABI" % home)

def _use_home(repository_ctx, home):
    for part in ["include/" + _API, "lib/libtorch_cpu.so"]:
        if not repository_ctx.path(home + "/" + part).exists:
            fail("LIBTORCH_HOME=%s has no %s; name the folder that holds LibTorch's include/ and lib/" % (home, part))
    _check_abi(repository_ctx, home)
    version = repository_ctx.path(home + "/include/torch/headeronly/version.h")
    if not version.exists:
        version = repository_ctx.path(home + "/include/" + _API + "/torch/version.h")
    write_stamp(repository_ctx, [], extra = home + "\n" + (repository_ctx.read(version) if version.exists else ""))
    repository_ctx.symlink(home + "/include", "include")
    _write_build(
        repository_ctx,
        ["include/**/*.h", "include/**/*.hpp", "include/**/*.cuh"],
        ["include", "include/" + _API],
        ["-L%s/lib" % home, "-Wl,-rpath,%s/lib" % home] + _LINK,
    )

def _libtorch_impl(repository_ctx):
    home = repository_ctx.os.environ.get("LIBTORCH_HOME", "")
    if home:
        _use_home(repository_ctx, home)
    else:
        _use_distribution(repository_ctx)

libtorch_repository = repository_rule(
    implementation = _libtorch_impl,
    local = True,
    environ = ["CC", "LIBTORCH_HOME"],
)
