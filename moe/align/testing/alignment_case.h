// Models, tokens and references for tests of alignments.

#ifndef MOE_ALIGN_TESTING_ALIGNMENT_CASE_H_
#define MOE_ALIGN_TESTING_ALIGNMENT_CASE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::align::testing {

// The MoE fixture of that name with every weight upcast to F32, exactly, in a
// directory that is made.
void WriteFixtureAsF32(absl::string_view name, absl::string_view directory);

// 40 sequences of 2 to 48 ids of an MoE fixture, 979 tokens in all.
text::TokenSequences ManySequences(absl::string_view name);

// What the blocks of the model in the directory put out over the sequences.
checkpoint::Distribution DistributionOf(absl::string_view directory,
                                        const text::TokenSequences& sequences);

// A reference that such a model is to be aligned with: `from` with every
// feature's variance times a number of 0.5 to 2, and its mean moved by up to a
// deviation. The same every time.
checkpoint::Distribution MovedReference(const checkpoint::Distribution& from);

}  // namespace moe::align::testing

#endif  // MOE_ALIGN_TESTING_ALIGNMENT_CASE_H_
