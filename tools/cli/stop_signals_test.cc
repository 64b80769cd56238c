#include "tools/cli/stop_signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/file_system.h"
#include "moe/base/staging_directory.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::cli {
namespace {

using ::moe::base::testing::TempDirectory;
using ::testing::IsEmpty;

// Gets a stop signal while it writes.
[[noreturn]] void WriteAndBeStopped(const TempDirectory& directory,
                                    int signal) {
  InstallStopSignals("llama_moe test");
  const auto staging = base::StagingDirectory::Create(directory.Path("new/out"),
                                                      base::PosixFileSystem());
  if (!staging.ok() || directory.List().empty()) ::_exit(1);
  ::kill(::getpid(), signal);
  for (;;) ::pause();
}

TEST(StopSignalsTest, RemoveWhatIsBeingWrittenAndEndTheProcess) {
  for (const int signal :
       {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU}) {
    const TempDirectory directory;
    EXPECT_EXIT(WriteAndBeStopped(directory, signal),
                ::testing::KilledBySignal(signal),
                "llama_moe test: stopped by SIG[A-Z0-9]+; .* the same command "
                "goes on")
        << signal;
    EXPECT_THAT(directory.List(), IsEmpty()) << signal;
  }
}

TEST(StopSignalsTest, WhatIsIgnoredStaysIgnored) {
  EXPECT_EXIT(
      {
        ::signal(SIGHUP, SIG_IGN);
        InstallStopSignals("test");
        ::raise(SIGHUP);
        ::_exit(0);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(StopSignalsTest, APipeThatNobodyReadsIsAnError) {
  EXPECT_EXIT(
      {
        InstallStopSignals("test");
        int ends[2];
        if (::pipe(ends) != 0) ::_exit(1);
        ::close(ends[0]);
        ::_exit(::write(ends[1], "x", 1) < 0 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(StopSignalsTest, ClosedDescriptorsAreOpenedOnNothing) {
  EXPECT_EXIT(
      {
        ::close(STDIN_FILENO);
        ::close(STDOUT_FILENO);
        OpenStandardDescriptors();
        const int next = ::open("/dev/null", O_RDONLY);
        ::_exit(next > STDERR_FILENO && ::write(STDOUT_FILENO, "x", 1) == 1
                    ? 0
                    : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace moe::cli
