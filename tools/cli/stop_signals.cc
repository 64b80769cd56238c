#include "tools/cli/stop_signals.h"

#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/mutation_gate.h"
#include "moe/base/staging_directory.h"

namespace moe::cli {
namespace {

struct StopSignal {
  int number;
  absl::string_view name;
};
constexpr std::array<StopSignal, 7> kStopSignals = {{
    {SIGHUP, "SIGHUP"},
    {SIGINT, "SIGINT"},
    {SIGQUIT, "SIGQUIT"},
    {SIGTERM, "SIGTERM"},
    {SIGUSR1, "SIGUSR1"},
    {SIGUSR2, "SIGUSR2"},
    {SIGXCPU, "SIGXCPU"},
}};

// The handler passes the signal to the watcher. A handler may do very little.
// The watcher is a normal thread and may do anything.
sem_t stop_asked;
volatile sig_atomic_t stop_signal = 0;

void OnStopSignal(int number) {
  const int saved_errno = errno;
  if (stop_signal == 0) stop_signal = number;
  ::sem_post(&stop_asked);
  errno = saved_errno;
}

absl::string_view NameOf(int number) {
  for (const StopSignal& signal : kStopSignals) {
    if (signal.number == number) return signal.name;
  }
  return "a signal";
}

void WriteToStandardError(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(STDERR_FILENO, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    text.remove_prefix(static_cast<size_t>(put));
  }
}

[[noreturn]] void EndBySignal(int number) {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  ::sigaction(number, &action, nullptr);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, number);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(number);
  ::_exit(128 + number);
}

[[noreturn]] void Watch(const std::string& speaker) {
  while (::sem_wait(&stop_asked) != 0) {
  }
  const int number = stop_signal;
  base::ShutMutationGateForGood();
  base::RemoveAllStaging();
  // A progress bar leaves its line open.
  const absl::string_view start = ::isatty(STDERR_FILENO) != 0 ? "\n" : "";
  WriteToStandardError(absl::StrCat(
      start, speaker, ": stopped by ", NameOf(number),
      "; what was half-written is removed, and the same command goes on from "
      "what is finished\n"));
  EndBySignal(number);
}

bool IsIgnored(int number) {
  struct sigaction action = {};
  return ::sigaction(number, nullptr, &action) == 0 &&
         action.sa_handler == SIG_IGN;
}

void Handle(int number, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(number, &action, nullptr);
}

}  // namespace

void InstallStopSignals(const std::string& speaker) {
  Handle(SIGPIPE, SIG_IGN);
  Handle(SIGXFSZ, SIG_IGN);
  if (::sem_init(&stop_asked, 0, 0) != 0) return;
  try {
    std::thread([speaker] { Watch(speaker); }).detach();
  } catch (const std::system_error&) {
    return;
  }
  for (const StopSignal& signal : kStopSignals) {
    if (!IsIgnored(signal.number)) Handle(signal.number, OnStopSignal);
  }
}

void OpenStandardDescriptors() {
  for (;;) {
    const int descriptor = ::open("/dev/null", O_RDWR);
    if (descriptor < 0) return;
    if (descriptor <= STDERR_FILENO) continue;
    ::close(descriptor);
    return;
  }
}

}  // namespace moe::cli
