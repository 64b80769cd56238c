// The files beside a model's weights that belong to it whatever the weights
// are: tokenizer with its own code, chat templates, generation defaults,
// licence. A name is that in the model's directory, or, of a chat template
// beside the model's own, kChatTemplatesFolder/NAME.jinja.
//
// Reading them follows every link. Copying them into another checkpoint, which
// may be published, does not: a file whose content lies outside of the model is
// left behind, and whoever asked for the copy is told.

#ifndef MOE_CHECKPOINT_COMPANION_FILES_H_
#define MOE_CHECKPOINT_COMPANION_FILES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/json.h"

namespace moe::checkpoint {

// The folder in which transformers keeps the chat templates that have names.
inline constexpr char kChatTemplatesFolder[] = "additional_chat_templates";

// What a checkpoint made from a model does not get.
struct LeftBehind {
  std::string name;  // "LICENSE-x", "tokenizer_config.json: tokenizer_file"
  std::string why;   // And what to do, where something can be done. No paths.

  friend bool operator==(const LeftBehind&, const LeftBehind&) = default;
};

// Describes a field of a file whose value is a path.
LeftBehind PathFieldOf(absl::string_view file, absl::string_view field);

// A list of {"name", "why"}.
base::Json LeftBehindToJson(const std::vector<LeftBehind>& left_behind);

struct CompanionCopies {
  // Files to copy: name -> path, in which no part is a link.
  std::map<std::string, std::string> copies;
  // Files to write: name -> text. Those that had path fields, without them.
  std::map<std::string, std::string> contents;
  std::vector<LeftBehind> left_behind;
  // What else lies in the directory, and is no part of what is copied: names,
  // those of folders with a slash at the end; none that begins with a dot.
  std::vector<std::string> others;
};

// Names of the companion files in the directory, sorted: those that are
// regular files, or links to some. Errors of ListDirectory.
absl::StatusOr<std::vector<std::string>> ListCompanionFiles(
    absl::string_view directory);

// What of them another checkpoint may get. `model_files` are the paths of the
// model's own files: config.json, index, shards.
//
// A file is taken if, all links resolved, it lies in the model's folder or
// below, or directly in a folder in which one of the model's own files lies.
// The second is so in a cache of the Hugging Face hub, where every file is a
// link into one folder of blobs. Left behind is what leads elsewhere or
// nowhere, and what is no regular file, which is not opened either. From
// tokenizer_config.json and generation_config.json, fields are left behind that
// RemovePathFields removes; such a file is written anew, and all others are
// copied byte for byte.
absl::StatusOr<CompanionCopies> FindCompanionCopies(
    absl::string_view directory, absl::Span<const std::string> model_files);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_COMPANION_FILES_H_
