// Which files of a checkpoint's directory its tokenizer needs beyond those that
// every tokenizer may have: code of its own, and what that code reads.

#ifndef MOE_CHECKPOINT_TOKENIZER_FILES_H_
#define MOE_CHECKPOINT_TOKENIZER_FILES_H_

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace moe::checkpoint {

// Among `names`, the files in the directory:
//   - tokenization_*.py, and the modules that the auto_map of
//     tokenizer_config.json and the tokenizer's entry in that of config.json
//     name ("tokenization_fox.FoxTokenizer": tokenization_fox.py);
//   - the modules that these import relatively ("from .fox_units import x");
//   - the files, but for weights and configurations of models, whose names
//     stand in their text in quotes or are values of tokenizer_config.json
//     ("fox.tiktoken").
// A file that cannot be read needs nothing.
std::set<std::string> FindTokenizerFiles(absl::string_view directory,
                                         const std::vector<std::string>& names);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_TOKENIZER_FILES_H_
