// Ends the program cleanly when a user, a terminal or a scheduler stops it.

#ifndef TOOLS_CLI_STOP_SIGNALS_H_
#define TOOLS_CLI_STOP_SIGNALS_H_

#include <string>

namespace moe::cli {

// From now on SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 and SIGXCPU
// remove what is being written (RemoveAllStaging), write a line to standard
// error that begins with `speaker`, and then end the process with that signal,
// so that whoever waits for it sees which it was. One that is ignored when the
// program starts, as under nohup, stays ignored. Where not even one more thread
// can be started, signals end the process as ever, and the next run of the
// command removes what is left.
//
// SIGPIPE and SIGXFSZ become errors of writing. For main, once.
void InstallStopSignals(const std::string& speaker);

// Opens descriptors 0 to 2 on /dev/null where they are closed, so that no file
// gets one of these numbers and is taken for standard output. For main, first.
void OpenStandardDescriptors();

}  // namespace moe::cli

#endif  // TOOLS_CLI_STOP_SIGNALS_H_
