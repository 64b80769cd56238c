"""The targets of a room: a library, its option messages, its tests and its fuzzers."""

load("@rules_cc//cc:defs.bzl", "cc_library", "cc_proto_library", "cc_test")

# What nearly every file uses.
_ABSEIL = ["@com_google_absl//absl/" + target for target in [
    "functional:function_ref",
    "memory",
    "status",
    "status:statusor",
    "strings",
    "strings:str_format",
    "time",
    "types:span",
]]

def _unique(labels):
    return {label: None for label in labels}.keys()

# So many files are compiled together.
_GROUP = 8

# #line keeps the places of messages.
_JOIN = "for file in $(SRCS); do printf '#line 1 \"%s\"\\n' $$file; cat $$file; done > $@"

def _groups(name, srcs):
    """`srcs` in generated sources of up to _GROUP of them each; returns these.

    Most of a compilation's time goes to headers, which the files of a room share. The names in
    their unnamed namespaces therefore have to differ within a room.
    """
    count = (len(srcs) + _GROUP - 1) // _GROUP
    groups = []
    for i in range(count):
        groups.append("%s_group_%d.cc" % (name, i))
        native.genrule(
            name = "%s_group_%d" % (name, i),
            srcs = srcs[len(srcs) * i // count:len(srcs) * (i + 1) // count],
            outs = [groups[-1]],
            cmd = _JOIN,
        )
    return groups

def room_library(name, srcs = [], hdrs = [], deps = [], **kwargs):
    """A cc_library that may use Abseil."""
    cc_library(name = name, srcs = srcs, hdrs = hdrs, deps = _unique(_ABSEIL + deps), **kwargs)

def room_protos(name, proto_deps = []):
    """NAME_proto and NAME_cc_proto of the folder's *.proto; returns the deps of a library.

    Args:
      name: the room's.
      proto_deps: the proto_library targets whose messages these import.
    """
    srcs = native.glob(["*.proto"])
    if not srcs:
        return []
    native.proto_library(name = name + "_proto", srcs = srcs, deps = proto_deps)
    cc_proto_library(name = name + "_cc_proto", deps = [":%s_proto" % name])
    return [":%s_cc_proto" % name]

def room_tests(deps, data = [], sizes = {}, seeds = {}, special = {}):
    """A test of each *_test.cc, small if `sizes` does not say else, and the fuzzers.

    Args:
      deps: of every test.
      data: of every test.
      sizes: lists of tests by their size.
      seeds: *_fuzzer: the folders of testdata that it begins with. It replays them in
        an ordinary build, as a test, and fuzzes with --config=fuzz.
      special: further attributes by test.
    """
    size_of = {test: size for size, tests in sizes.items() for test in tests}
    for src in native.glob(["*_test.cc"]):
        test = src[:-len(".cc")]
        attributes = dict(size = size_of.get(test, "small"), data = data)
        attributes.update(special.get(test, {}))
        cc_test(
            name = test,
            srcs = [src],
            deps = _unique(_ABSEIL + deps + ["@com_google_googletest//:gtest_main"]),
            **attributes
        )
    for fuzzer, folders in seeds.items():
        cc_test(
            name = fuzzer,
            size = "small",
            srcs = [fuzzer + ".cc"],
            args = ["testdata/" + folder for folder in folders],
            data = _unique(data + ["//testdata:" + folder.split("/")[0] for folder in folders]),
            deps = _unique(_ABSEIL + deps + ["//tools/fuzz:driver"]),
        )

def room(
        name,
        deps = [],
        proto_deps = [],
        exclude = [],
        srcs = [],
        alone = [],
        plugin_srcs = [],
        testing_deps = [],
        test_deps = [],
        test_data = [],
        sizes = {},
        seeds = {},
        special_tests = {},
        **kwargs):
    """One library of all files of a folder, and what tests it.

    `testing/` becomes the test-only library `testing`. A *_main.cc is a program of its own.

    Args:
      name: of the library: the folder's.
      deps: of the library, beside what Abseil gives all.
      proto_deps: see room_protos.
      exclude: files that are in another target of the folder.
      srcs: generated sources beside the folder's.
      alone: sources that are compiled on their own: those of Highway's targets, and
        those whose headers do not go with others'.
      plugin_srcs: sources that //moe/torch_plugin needs. They are a group of their own, as a
        group is linked whole, and others bring generated protocol buffers.
      testing_deps: of `testing`, beside the library.
      test_deps: of the tests, beside the library and `testing`.
      test_data: see room_tests.
      sizes: see room_tests.
      seeds: see room_tests.
      special_tests: see room_tests.
      **kwargs: attributes of the library.
    """
    not_of_group = exclude + alone + plugin_srcs + ["*_fuzzer.cc", "*_main.cc", "*_test.cc"]
    files = native.glob(["*.cc"], exclude = not_of_group)
    room_library(
        name = name,
        srcs = alone + srcs + select({
            "//moe:file_by_file": plugin_srcs + files,
            "//conditions:default": _groups(name + "_plugin", plugin_srcs) +
                                    _groups(name, files),
        }),
        hdrs = native.glob(["*.h"], exclude = exclude),
        deps = deps + room_protos(name, proto_deps),
        **kwargs
    )
    library = [":" + name]
    testing = native.glob(["testing/*.cc", "testing/*.h"], exclude = exclude)
    if testing:
        room_library(
            name = "testing",
            testonly = True,
            srcs = [file for file in testing if file.endswith(".cc")],
            hdrs = [file for file in testing if file.endswith(".h")],
            deps = library + testing_deps + ["@com_google_googletest//:gtest"],
        )
        library = library + [":testing"]
    room_tests(library + deps + test_deps, test_data, sizes, seeds, special_tests)
