#include "moe/base/testing/fault_injecting_file_system.h"

#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/status_macros.h"

namespace moe::base::testing {
namespace {

absl::Status InjectedError() {
  return absl::ResourceExhaustedError("injected: no space left on device");
}

}  // namespace

template <typename Operation>
auto FaultInjectingFileSystem::Run(Operation operation)
    -> decltype(operation()) {
  const int64_t number = num_operations_++;
  const bool hit = number == operation_;
  if (hit && fault_ == Fault::kKillBefore) ::kill(::getpid(), SIGKILL);
  if ((hit && fault_ == Fault::kFailOnce) ||
      (number >= operation_ && fault_ == Fault::kFailOnward)) {
    return InjectedError();
  }
  auto result = operation();
  if (hit && fault_ == Fault::kKillAfter) ::kill(::getpid(), SIGKILL);
  return result;
}

class FaultInjectingFileSystem::File : public WritableFile {
 public:
  File(FaultInjectingFileSystem& owner, std::unique_ptr<WritableFile> file)
      : owner_(owner), file_(std::move(file)) {}

  absl::Status Append(absl::string_view bytes) override {
    return owner_.Run([&] { return file_->Append(bytes); });
  }
  absl::Status Sync() override {
    return owner_.Run([&] { return file_->Sync(); });
  }
  absl::Status Close() override {
    return owner_.Run([&] { return file_->Close(); });
  }

 private:
  FaultInjectingFileSystem& owner_;
  const std::unique_ptr<WritableFile> file_;
};

absl::StatusOr<std::unique_ptr<WritableFile>>
FaultInjectingFileSystem::CreateFile(absl::string_view path) {
  return Run([&]() -> absl::StatusOr<std::unique_ptr<WritableFile>> {
    MOE_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file,
                         PosixFileSystem().CreateFile(path));
    return std::make_unique<File>(*this, std::move(file));
  });
}

absl::Status FaultInjectingFileSystem::CreateDirectory(absl::string_view path) {
  return Run([&] { return PosixFileSystem().CreateDirectory(path); });
}

absl::StatusOr<std::unique_ptr<PathLock>> FaultInjectingFileSystem::TryLock(
    absl::string_view path) {
  return PosixFileSystem().TryLock(path);
}

absl::Status FaultInjectingFileSystem::ReplaceFile(absl::string_view from,
                                                   absl::string_view to) {
  return Run([&] { return PosixFileSystem().ReplaceFile(from, to); });
}

absl::Status FaultInjectingFileSystem::MoveToNewName(absl::string_view from,
                                                     absl::string_view to) {
  return Run([&] { return PosixFileSystem().MoveToNewName(from, to); });
}

absl::Status FaultInjectingFileSystem::ExchangeDirectories(
    absl::string_view a, absl::string_view b) {
  if (exchange_disabled_) return absl::UnimplementedError("no exchange here");
  return Run([&] { return PosixFileSystem().ExchangeDirectories(a, b); });
}

absl::Status FaultInjectingFileSystem::RemoveAll(absl::string_view path) {
  return Run([&] { return PosixFileSystem().RemoveAll(path); });
}

absl::Status FaultInjectingFileSystem::RemoveEmptyDirectory(
    absl::string_view path) {
  return Run([&] { return PosixFileSystem().RemoveEmptyDirectory(path); });
}

absl::Status FaultInjectingFileSystem::SyncDirectory(absl::string_view path) {
  return Run([&] { return PosixFileSystem().SyncDirectory(path); });
}

absl::StatusOr<uint64_t> FaultInjectingFileSystem::FreeBytes(
    absl::string_view path) {
  if (free_bytes_ != 0) return free_bytes_;
  return PosixFileSystem().FreeBytes(path);
}

}  // namespace moe::base::testing
