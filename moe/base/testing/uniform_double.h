// Random numbers of more digits than anything that ships draws.

#ifndef MOE_BASE_TESTING_UNIFORM_DOUBLE_H_
#define MOE_BASE_TESTING_UNIFORM_DOUBLE_H_

#include "moe/base/philox.h"

namespace moe::base::testing {

// u * 2^-53 for a uniform integer u in [0, 2^53).
inline double UniformDouble(RandomStream& stream) {
  return static_cast<double>(stream.NextUint64() >> 11) * 0x1p-53;
}

}  // namespace moe::base::testing

#endif  // MOE_BASE_TESTING_UNIFORM_DOUBLE_H_
