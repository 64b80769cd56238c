// The version that --version prints.

#ifndef TOOLS_CLI_VERSION_H_
#define TOOLS_CLI_VERSION_H_

namespace moe::cli {

inline constexpr char kToolVersion[] = "0.1.0";

}  // namespace moe::cli

#endif  // TOOLS_CLI_VERSION_H_
