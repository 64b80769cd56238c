#include "tools/cli/frame.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/escape_control.h"
#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/steps/step_kind.h"
#include "tools/cli/command.h"
#include "tools/cli/escaping_stream.h"
#include "tools/cli/flag_set.h"
#include "tools/cli/nearest_name.h"
#include "tools/cli/prepare_paths.h"

namespace moe::cli {
namespace {

constexpr char kProgram[] = "llama_moe";

// A command on a command line, with the values of its flags.
struct Subcommand {
  Subcommand(const Command& declared, CLI::App& parent)
      : command(declared),
        app(*parent.add_subcommand(declared.name, declared.summary)),
        flags(app) {
    for (const std::string& alias : declared.aliases) app.alias(alias);
    app.set_help_flag();
    app.allow_extras();
    help = app.add_flag("-h,--help");
    action = declared.declare(flags);
    flags.AddChoice({.names = {"progress"},
                     .what = "how progress is shown on standard error; auto is "
                             "bar on a terminal, lines elsewhere"},
                    {"auto", "bar", "lines", "none"}, &progress);
  }

  const Command& command;
  CLI::App& app;
  FlagSet flags;
  CLI::Option* help = nullptr;
  CommandAction action;
  std::string progress = "auto";
};

// The whole command line. Its subcommands must not move in memory, because
// flags point into them.
struct Line {
  explicit Line(absl::Span<const Command> commands) : root("", kProgram) {
    root.set_help_flag();
    root.allow_extras();
    root.require_subcommand(0, 1);
    help = root.add_flag("-h,--help");
    version = root.add_flag("--version");
    for (const Command& command : commands) {
      subcommands.emplace_back(command, root);
    }
  }

  Subcommand* Chosen() {
    const auto found = std::find_if(
        subcommands.begin(), subcommands.end(),
        [](const Subcommand& subcommand) { return subcommand.app.parsed(); });
    return found == subcommands.end() ? nullptr : &*found;
  }

  CLI::App root;
  CLI::Option* help = nullptr;
  CLI::Option* version = nullptr;
  std::deque<Subcommand> subcommands;
  // Set by Parse.
  std::vector<std::string> args;
  absl::Status parse_error;  // What CLI11 found wrong, if anything.
};

std::string ListCommands(absl::Span<const Command> commands,
                         CommandSection section, absl::string_view title) {
  size_t columns = 0;
  for (const Command& command : commands) {
    columns = std::max(columns, command.name.size());
  }
  std::string text;
  for (const Command& command : commands) {
    if (command.section != section) continue;
    absl::StrAppendFormat(&text, "  %-*s  %s", static_cast<int>(columns),
                          command.name, command.summary);
    if (!command.aliases.empty()) {
      absl::StrAppend(&text, " (alias ", absl::StrJoin(command.aliases, ", "),
                      ")");
    }
    text += "\n";
  }
  return text.empty() ? "" : absl::StrCat(title, ":\n", text, "\n");
}

std::string RootHelp(absl::Span<const Command> commands) {
  return absl::StrCat(
      kProgram,
      " converts dense LLaMA checkpoints to Mixture-of-Experts ones.\n",
      "\nusage: ", kProgram, " COMMAND [flags]\n\n",
      ListCommands(commands, CommandSection::kPipeline,
                   "The pipeline, in the order of its steps"),
      ListCommands(commands, CommandSection::kHelper, "Helpers"), kProgram,
      " help COMMAND    lists a command's flags\n", kProgram,
      " --version       prints the version\n");
}

std::string CommandHelp(const Subcommand& subcommand) {
  const Command& command = subcommand.command;
  return absl::StrCat(kProgram, " ", command.name, " ", command.summary,
                      ".\n\nusage: ", kProgram, " ", command.name, " ",
                      subcommand.flags.Usage(), "\n\n", subcommand.flags.Help(),
                      command.notes.empty() ? "" : "\n", command.notes);
}

// "--flag" of "--flag=value".
absl::string_view FlagName(absl::string_view argument) {
  return argument.substr(0, argument.find('='));
}

absl::Status UnknownCommand(absl::Span<const Command> commands,
                            const std::string& name) {
  std::vector<std::string> names;
  for (const Command& command : commands) {
    names.push_back(command.name);
    names.insert(names.end(), command.aliases.begin(), command.aliases.end());
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "there is no command \"", name, "\"", DidYouMean(name, names), " (",
      kProgram, " --help lists the commands)"));
}

absl::Status UnknownArgument(const Subcommand& subcommand,
                             const std::vector<std::string>& extras) {
  for (const std::string& extra : extras) {
    if (extra.size() < 2 || !absl::StartsWith(extra, "-")) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "there is no flag ", FlagName(extra),
        DidYouMean(FlagName(extra), subcommand.flags.Names()), " (", kProgram,
        " ", subcommand.command.name, " --help lists the flags)"));
  }
  const std::vector<std::string> wanted = subcommand.flags.Positionals();
  return absl::InvalidArgumentError(absl::StrCat(
      "expected ", wanted.empty() ? "flags only" : absl::StrJoin(wanted, " "),
      ", found one argument more, \"", extras[0], "\""));
}

absl::Status MisplacedFlag(absl::string_view argument) {
  return absl::InvalidArgumentError(absl::StrCat(
      "there is no flag ", FlagName(argument), " before the command",
      DidYouMean(FlagName(argument), {"--help", "--version"}),
      " (a command's flags follow its name)"));
}

// The words that no flag takes, without the "--" before positional arguments,
// which CLI11 keeps.
std::vector<std::string> Extras(const CLI::App& app) {
  std::vector<std::string> extras = app.remaining();
  extras.erase(std::remove(extras.begin(), extras.end(), "--"), extras.end());
  return extras;
}

// CLI11's messages start with the option's name.
absl::Status FromCli11(const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) == nullptr) {
    return absl::InvalidArgumentError(error.what());
  }
  const absl::string_view what = error.what();
  return absl::InvalidArgumentError(
      absl::StrCat(what.substr(0, what.find_first_of(": ")),
                   ": expected a value, found none"));
}

base::Progress::Style ParseStyle(const std::string& name) {
  if (name == "bar") return base::Progress::Style::kBar;
  if (name == "lines") return base::Progress::Style::kLines;
  if (name == "none") return base::Progress::Style::kSilent;
  return base::StyleForStandardError();
}

absl::StatusOr<int> RunCommand(Subcommand& subcommand, std::ostream& out,
                               std::ostream& err) {
  MOE_RETURN_IF_ERROR(subcommand.flags.Store());
  MOE_ASSIGN_OR_RETURN(const std::vector<std::string> notes,
                       PreparePaths(subcommand.flags));
  for (const std::string& note : notes) {
    err << kProgram << " " << subcommand.command.name << ": "
        << base::EscapeControlInText(note) << "\n";
  }
  base::Progress::Sink sink = base::StandardErrorSink();
  sink.write = [&err](absl::string_view text) {
    err << text;
    err.flush();
  };
  base::Progress progress(ParseStyle(subcommand.progress), std::move(sink));
  EscapingStream escaping(out);
  CommandContext context{escaping, progress};
  MOE_ASSIGN_OR_RETURN(const int exit_status, subcommand.action(context));
  escaping.Finish();
  if (!escaping.good()) {
    return absl::DataLossError("standard output cannot be written to");
  }
  return exit_status;
}

// The words after the command's name.
absl::Span<const std::string> WordsOf(const Subcommand& subcommand,
                                      absl::Span<const std::string> args) {
  const Command& command = subcommand.command;
  const auto name =
      std::find_if(args.begin(), args.end(), [&](const std::string& word) {
        const std::vector<std::string>& aliases = command.aliases;
        return word == command.name ||
               std::find(aliases.begin(), aliases.end(), word) != aliases.end();
      });
  if (name == args.end()) return {};
  return args.subspan(static_cast<size_t>(name - args.begin()) + 1);
}

// Checks for flags without values, words that no flag takes, and what CLI11
// found wrong.
absl::Status CheckArguments(const Line& line, const Subcommand& chosen) {
  MOE_RETURN_IF_ERROR(chosen.flags.CheckWords(WordsOf(chosen, line.args)));
  const std::vector<std::string> strays = Extras(line.root);
  if (!strays.empty()) return MisplacedFlag(strays[0]);
  const std::vector<std::string> extras = Extras(chosen.app);
  if (!extras.empty()) return UnknownArgument(chosen, extras);
  return line.parse_error;
}

// Does what the command line asks for.
absl::StatusOr<int> Act(Line& line, absl::Span<const Command> commands,
                        std::ostream& out, std::ostream& err) {
  Subcommand* const chosen = line.Chosen();
  if (chosen != nullptr) {
    if (chosen->help->count() > 0) {
      out << CommandHelp(*chosen);
      return kSuccess;
    }
    MOE_RETURN_IF_ERROR(CheckArguments(line, *chosen));
    return RunCommand(*chosen, out, err);
  }
  if (line.help->count() > 0) {
    out << RootHelp(commands);
    return kSuccess;
  }
  if (line.version->count() > 0) {
    out << kProgram << " " << steps::kToolVersion << "\n";
    return kSuccess;
  }
  const std::vector<std::string> extras = Extras(line.root);
  for (const std::string& extra : extras) {
    if (!absl::StartsWith(extra, "-")) return UnknownCommand(commands, extra);
  }
  if (!extras.empty()) return MisplacedFlag(extras[0]);
  err << RootHelp(commands);
  return kError;
}

// `help X` is `X --help`.
std::vector<std::string> WithoutHelpCommand(
    const std::vector<std::string>& args) {
  if (args.empty() || args[0] != "help") return args;
  if (args.size() == 1 || absl::StartsWith(args[1], "-")) return {"--help"};
  return {args[1], "--help"};
}

void Parse(std::vector<std::string> args, Line& line) {
  line.args = args;
  // CLI11 expects the words in reverse.
  std::reverse(args.begin(), args.end());
  try {
    line.root.parse(std::move(args));
  } catch (const CLI::ParseError& error) {
    line.parse_error = FromCli11(error);
  }
}

}  // namespace

int RunCommandLine(absl::Span<const Command> commands,
                   const std::vector<std::string>& args, std::ostream& out,
                   std::ostream& err) {
  std::string speaker = kProgram;
  absl::Status status;
  try {
    Line line(commands);
    const std::vector<std::string> words = WithoutHelpCommand(args);
    Parse(words, line);
    if (Subcommand* const chosen = line.Chosen()) {
      absl::StrAppend(&speaker, " ", chosen->command.name);
    }
    // `help X` with an unknown X gives the error that X alone gives.
    if (line.Chosen() == nullptr && words != args && words.size() > 1) {
      status = UnknownCommand(commands, words[0]);
    } else {
      const absl::StatusOr<int> result = Act(line, commands, out, err);
      if (result.ok()) return *result;
      status = result.status();
    }
  } catch (const std::exception& error) {
    status = base::StatusOfException(error);
  }
  err << speaker << ": " << base::EscapeControlInText(status.message()) << "\n";
  return kError;
}

}  // namespace moe::cli
