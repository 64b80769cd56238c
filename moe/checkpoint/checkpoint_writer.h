// Writing a checkpoint directory, front to back, in little memory, atomically.
//
//   CheckpointPlan plan = ...;
//   MOE_ASSIGN_OR_RETURN(auto writer,
//                        CheckpointWriter::Create(path, plan, {}));
//   // For all tensors, in the order of the plan:
//   MOE_RETURN_IF_ERROR(writer->Append(bytes));
//   MOE_RETURN_IF_ERROR(writer->Finish());
//
// Nothing appears at the path before Finish; see AtomicDirectoryWriter.

#ifndef MOE_CHECKPOINT_CHECKPOINT_WRITER_H_
#define MOE_CHECKPOINT_CHECKPOINT_WRITER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/atomic_write.h"
#include "moe/base/file_system.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {

// The kind in the record of a written checkpoint (see WriteManifest).
inline constexpr char kCheckpointKind[] = "checkpoint";

struct ShardPlan {
  std::string file_name;
  // The order of their data in the file.
  std::vector<TensorSpec> tensors;
  SafetensorsMetadata metadata;
};

struct CheckpointPlan {
  std::vector<ShardPlan> shards;
  // Write model.safetensors.index.json. Needed where there is more than one
  // shard.
  bool has_index = false;
  // Whole small files: config.json, model code. The name of these and of copies
  // may be FOLDER/NAME.
  std::map<std::string, std::string> contents;
  // Files to copy: name in the new directory -> path.
  std::map<std::string, std::string> copies;
};

struct CheckpointWriterOptions {
  // Replace a directory that holds only a checkpoint that this program wrote,
  // by its record, or nothing. Anything else at the path is refused.
  bool overwrite = false;
  // A directory that is never written to: the path must not be this directory,
  // be inside of it or contain it. Empty for none.
  std::string input_directory;
  base::FileSystem* file_system = &base::PosixFileSystem();
};

class CheckpointWriter {
 public:
  // InvalidArgument for a plan that is malformed (a tensor or file twice, a
  // name that is no name of a file) or for a path in or around the input;
  // AlreadyExists, ResourceExhausted (too little space) before anything is
  // written.
  static absl::StatusOr<std::unique_ptr<CheckpointWriter>> Create(
      absl::string_view path, CheckpointPlan plan,
      const CheckpointWriterOptions& options);

  // The next bytes of the tensors' data, in the order of the plan. A call may
  // end within a tensor, but must not go over the end of a shard. Syncs and
  // closes each shard when it is full.
  absl::Status Append(absl::string_view bytes);

  // Writes the index and the other files, config.json last, and puts the
  // directory in place. FailedPrecondition if data are missing.
  absl::Status Finish();

 private:
  CheckpointWriter(CheckpointPlan plan,
                   std::unique_ptr<base::AtomicDirectoryWriter> directory)
      : plan_(std::move(plan)), directory_(std::move(directory)) {}

  // Opens the next shard that has data to come; writes those without.
  absl::Status StartNextShard();
  absl::Status CopyFile(const std::string& name, const std::string& from);
  std::string Index() const;

  const CheckpointPlan plan_;
  const std::unique_ptr<base::AtomicDirectoryWriter> directory_;
  size_t next_shard_ = 0;
  std::unique_ptr<base::WritableFile> file_;  // The open shard; null for none.
  std::optional<SafetensorsWriter> writer_;   // Likewise.
};

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_CHECKPOINT_WRITER_H_
