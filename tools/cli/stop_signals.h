// Ends the program cleanly when a user, a terminal or a scheduler stops it.

#ifndef TOOLS_CLI_STOP_SIGNALS_H_
#define TOOLS_CLI_STOP_SIGNALS_H_

#include <string>

namespace moe::cli {

// Installs handlers for SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 and
// SIGXCPU. On one of them the process
//   - removes what is being written (RemoveAllStaging);
//   - writes a line to standard error that begins with `speaker`;
//   - ends by that signal, so that its parent sees which one it was.
// A signal that is ignored when the program starts, as under nohup, stays
// ignored. If the process cannot start another thread, signals end it without
// this, and the next run of the command removes what is left.
//
// SIGPIPE and SIGXFSZ become errors of writing. Call it once, from main.
void InstallStopSignals(const std::string& speaker);

// Opens /dev/null on the descriptors 0 to 2 if they are closed. Otherwise a
// file could get one of these numbers and be taken for standard output. Call it
// first in main.
void OpenStandardDescriptors();

}  // namespace moe::cli

#endif  // TOOLS_CLI_STOP_SIGNALS_H_
