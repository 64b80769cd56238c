// Fields of a model's JSON files with paths on somebody's machine.
//
// Libraries that save a model write paths into its files ("_name_or_path",
// "tokenizer_file"). No reader needs them, and they name users and projects. So
// a checkpoint made from the model does not get them.

#ifndef MOE_CHECKPOINT_PATH_FIELDS_H_
#define MOE_CHECKPOINT_PATH_FIELDS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "moe/base/json.h"

namespace moe::checkpoint {

// Names a repository, or the folder that the model was loaded from; never kept.
inline constexpr char kNameOrPathField[] = "_name_or_path";

// Whether `value` is an absolute path ("/a", "~/a", "C:\a", "\\host\a") or a
// "file:" address.
bool IsAbsolutePath(absl::string_view value);

// Removes the fields of `object` whose value is a string that IsAbsolutePath,
// but those of tokens ("eos_token"), whose text may be anything. Returns their
// names, in order.
std::vector<std::string> RemovePathFields(base::Json& object);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_PATH_FIELDS_H_
