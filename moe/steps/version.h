// The version that --version prints and artifacts and reports carry.

#ifndef MOE_STEPS_VERSION_H_
#define MOE_STEPS_VERSION_H_

namespace moe {

inline constexpr char kToolVersion[] = "0.1.0";

}  // namespace moe

#endif  // MOE_STEPS_VERSION_H_
