"""Flags of the files that are compiled once per SIMD target."""

# The lowest target on x86-64 is SSE4 (every processor since 2009 has it); the wider
# ones are switched on per function by Highway.
SIMD_COPTS = select({
    "@platforms//cpu:x86_64": [
        "-msse4.2",
        "-mpclmul",
        "-maes",
    ],
    "//conditions:default": [],
})
