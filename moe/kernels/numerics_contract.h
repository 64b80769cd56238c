// The version of the numerics contract that the kernels implement. What the
// contract says is in moe/kernels/README.md.

#ifndef MOE_KERNELS_NUMERICS_CONTRACT_H_
#define MOE_KERNELS_NUMERICS_CONTRACT_H_

namespace moe::kernels {

// Goes up with every change of any bit that a kernel gives, together with an
// entry under "Bits" in CHANGELOG.md. Lock files carry it.
inline constexpr int kNumericsContractVersion = 2;

}  // namespace moe::kernels

#endif  // MOE_KERNELS_NUMERICS_CONTRACT_H_
