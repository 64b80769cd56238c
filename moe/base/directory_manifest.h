// The record that a directory keeps of what a command put into it.
//
// A directory that is written as a whole holds a file `.llama_moe`: what it is,
// and the name and size of every file in it. By this record, and by nothing
// else, a command knows a directory as a result that may be replaced.
//
//   llama_moe checkpoint
//   1234 config.json
//   567890 model.safetensors
//
// Names are escaped as in C. The record is the file that is written last: what
// was changed later is newer than it.

#ifndef MOE_BASE_DIRECTORY_MANIFEST_H_
#define MOE_BASE_DIRECTORY_MANIFEST_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"

namespace moe::base {

inline constexpr char kManifestFile[] = ".llama_moe";

// Writes the record of what lies in `directory` now, in place of an older one.
// `kind` says what that is, in a word or two: "checkpoint".
absl::Status WriteManifest(FileSystem& file_system, absl::string_view directory,
                           absl::string_view kind);

// OK if all that the directory holds is what its record says, of this kind and
// unchanged: then a command that makes one may replace it. A file that is
// missing is no loss. FailedPrecondition names what stands in the way.
absl::Status CheckMadeByUs(absl::string_view directory, absl::string_view kind);

// The same of a directory that also may be empty.
absl::Status CheckReplaceable(absl::string_view directory,
                              absl::string_view kind);

}  // namespace moe::base

#endif  // MOE_BASE_DIRECTORY_MANIFEST_H_
