"""SentencePiece, the tokenizer library of Llama 1 and 2, from the distribution."""

load("//tools/workspace:system_library.bzl", "system_library")

def sentencepiece_repository(name):
    system_library(
        name = name,
        build_file = "//tools/workspace/sentencepiece:package.BUILD.bazel",
        packages = ["libsentencepiece-dev"],
        pkg_config = {},
    )
