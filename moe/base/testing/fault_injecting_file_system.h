// A file system whose n-th operation fails, or is the last the process makes.
//
// For showing what is left on the device when writing stops at any point: run
// the code once with no fault to count its operations, then once for each n.

#ifndef MOE_BASE_TESTING_FAULT_INJECTING_FILE_SYSTEM_H_
#define MOE_BASE_TESTING_FAULT_INJECTING_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"

namespace moe::base::testing {

class FaultInjectingFileSystem : public FileSystem {
 public:
  enum class Fault {
    kNone,
    kFailOnce,    // That operation reports a full disk; later ones work.
    kFailOnward,  // That one and all after it, as when the device is gone.
    kKillBefore,  // The process is killed (SIGKILL) before the operation.
    kKillAfter,   // The process is killed after the operation.
  };

  // Wraps the machine's file system. Operations are numbered from 0; reads,
  // looks and locks are not counted.
  explicit FaultInjectingFileSystem(Fault fault = Fault::kNone,
                                    int64_t operation = -1)
      : fault_(fault), operation_(operation) {}

  // Where exchanging directories shall not be supported.
  void DisableExchange() { exchange_disabled_ = true; }
  void SetFreeBytes(uint64_t free_bytes) { free_bytes_ = free_bytes; }

  int64_t num_operations() const { return num_operations_; }

  absl::StatusOr<std::unique_ptr<WritableFile>> CreateFile(
      absl::string_view path) override;
  absl::Status CreateDirectory(absl::string_view path) override;
  absl::StatusOr<std::unique_ptr<PathLock>> TryLock(
      absl::string_view path) override;
  absl::Status ReplaceFile(absl::string_view from,
                           absl::string_view to) override;
  absl::Status MoveToNewName(absl::string_view from,
                             absl::string_view to) override;
  absl::Status ExchangeDirectories(absl::string_view a,
                                   absl::string_view b) override;
  absl::Status RemoveAll(absl::string_view path) override;
  absl::Status RemoveEmptyDirectory(absl::string_view path) override;
  absl::Status SyncDirectory(absl::string_view path) override;
  absl::StatusOr<uint64_t> FreeBytes(absl::string_view path) override;

 private:
  class File;

  // Runs `operation` unless the fault says otherwise.
  template <typename Operation>
  auto Run(Operation operation) -> decltype(operation());

  const Fault fault_;
  const int64_t operation_;
  int64_t num_operations_ = 0;
  bool exchange_disabled_ = false;
  uint64_t free_bytes_ = 0;  // 0: what the machine has.
};

}  // namespace moe::base::testing

#endif  // MOE_BASE_TESTING_FAULT_INJECTING_FILE_SYSTEM_H_
