// Byte-pair encoding as its definition reads: look through all pairs for the
// first merge, join the leftmost such pair, begin again. The oracle of
// bpe_model_test.

#ifndef MOE_TEXT_TOKENIZER_TESTING_SLOW_BPE_H_
#define MOE_TEXT_TOKENIZER_TESTING_SLOW_BPE_H_

#include <string>
#include <utility>
#include <vector>

namespace moe::text::testing {

// The tokens of a word that is given as its characters. Takes the square of
// their number, times the number of merges.
std::vector<std::string> SlowBpe(
    std::vector<std::string> symbols,
    const std::vector<std::pair<std::string, std::string>>& merges);

}  // namespace moe::text::testing

#endif  // MOE_TEXT_TOKENIZER_TESTING_SLOW_BPE_H_
