// The flags of a command: their names, the values they allow, and the variables
// they set.
//
//   FlagSet flags(app);
//   flags.AddInt({.names = {"seed"}, .what = "seed of the random numbers"},
//                {.min = 0}, &seed);
//   app.parse(...);
//   MOE_RETURN_IF_ERROR(flags.Store());
//
// CLI11 splits the command line. This class parses the values and checks their
// ranges, so that every error names the flag, the value and what is allowed.

#ifndef TOOLS_CLI_FLAG_SET_H_
#define TOOLS_CLI_FLAG_SET_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"
#include "moe/base/options/option.pb.h"

namespace moe::cli {

struct FlagSpec {
  // Without dashes. The first is the flag's name; the others are aliases. Empty
  // if the argument is only positional.
  std::vector<std::string> names;
  // Such as "PATH", if the value may be given without the flag's name.
  std::string positional = {};
  // What the flag is, in a few words.
  std::string what = {};
  // Such as "tensors". May be empty.
  std::string unit = {};
  bool required = false;
  Option::Path path = Option::NO_PATH;
};

struct GivenPath {
  std::string flag;  // "--save_path"
  Option::Path role = Option::NO_PATH;
  std::string path;
};

// Both ends are allowed.
struct IntRange {
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
};

class FlagSet {
 public:
  // The application must outlive this object, and be parsed before Store.
  explicit FlagSet(CLI::App& app) : app_(app) {}

  FlagSet(const FlagSet&) = delete;
  FlagSet& operator=(const FlagSet&) = delete;

  // Each declares a flag. `*value` holds the default and must live until Store,
  // which sets it if the flag is given. An optional without a value has no
  // default.
  void AddString(const FlagSpec& spec, std::string* value);
  // Takes one value or more, `--name=A B C`. The flag may be repeated; all its
  // values count.
  void AddStrings(const FlagSpec& spec, std::vector<std::string>* values);
  void AddChoice(const FlagSpec& spec, const std::vector<std::string>& choices,
                 std::string* value);
  // Declares a flag for each option of the message (moe/base/options), except
  // those named in `left_out`. The option's annotation describes the flag.
  // Store sets the fields of the flags that are given. The message must live
  // until then.
  void AddOptions(google::protobuf::Message* options,
                  absl::Span<const absl::string_view> left_out = {});
  // `--name`, `--name=true` or `--name=false`.
  void AddBool(const FlagSpec& spec, bool* value);
  void AddInt(const FlagSpec& spec, IntRange range, int64_t* value);
  void AddInt(const FlagSpec& spec, IntRange range,
              std::optional<int64_t>* value);

  // The flag `name` replaces the flags declared so far: if it is given, none of
  // them is required, and none may be given. `name` may be declared later.
  void SetAlternative(const std::string& name);

  // Checks that every flag among a command line's words has its value. Without
  // this check, CLI11 takes the next word as the value, whatever it is.
  // InvalidArgument for "--name=" with nothing after it. InvalidArgument also
  // for "--name" without its value, if the next word is a flag: "-h", or a word
  // that begins with "--". A value with leading dashes is "--name=--value".
  absl::Status CheckWords(absl::Span<const std::string> words) const;

  // Sets the values. InvalidArgument names the first flag that is malformed,
  // out of range, given twice, or required but missing.
  absl::Status Store() const;

  // After Store: the paths that were given.
  std::vector<GivenPath> GivenPaths() const;
  // After Store: replaces the path of a flag that takes one path.
  absl::Status ReplacePath(const std::string& flag, const std::string& path);

  // "PATH [flags]".
  std::string Usage() const;
  // One line for each flag: names, what it is, default, unit, allowed range.
  std::string Help() const;
  // Names and aliases of all flags, such as "--model_path", for suggestions.
  std::vector<std::string> Names() const;
  // Whether the flag, such as "--overwrite", takes no value.
  bool IsSwitch(absl::string_view name) const;
  // The names of the positional arguments, in order.
  std::vector<std::string> Positionals() const;

 private:
  // Parses and sets a value. An error says what is wrong with the value.
  using SetValue = std::function<absl::Status(const std::string&)>;

  struct Flag {
    FlagSpec spec;
    std::string value_name;    // "PATH", "NUMBER"; empty for a switch.
    std::string default_text;  // Empty for none.
    std::string allowed;       // "0 or more"; empty for anything.
    SetValue set_value;
    CLI::Option* option = nullptr;
    bool is_list = false;          // set_value is called for every value.
    std::string alternative = {};  // The flag that replaces this one.
  };

  void Add(Flag flag, bool is_switch);
  const Flag* Find(absl::string_view name) const;
  bool IsGiven(const std::string& name) const;
  absl::Status CheckPresence(const Flag& flag) const;
  static absl::Status StoreFlag(const Flag& flag);
  static std::string Label(const Flag& flag);
  static std::string Left(const Flag& flag);
  static std::string Right(const Flag& flag);

  CLI::App& app_;
  std::deque<Flag> flags_;
};

// "0 or more", "1 to 64"; empty where everything is allowed.
std::string FormatRange(IntRange range);

}  // namespace moe::cli

#endif  // TOOLS_CLI_FLAG_SET_H_
