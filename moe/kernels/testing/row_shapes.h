// The matrices that row kernels are tried on.

#ifndef MOE_KERNELS_TESTING_ROW_SHAPES_H_
#define MOE_KERNELS_TESTING_ROW_SHAPES_H_

#include <cstdint>
#include <ostream>
#include <vector>

namespace moe::kernels::testing {

struct RowShape {
  int64_t rows;
  int64_t cols;
  int64_t misalignment;
  int64_t padding;

  friend std::ostream& operator<<(std::ostream& out, const RowShape& shape) {
    return out << shape.rows << " x " << shape.cols << ", misaligned by "
               << shape.misalignment << ", padded by " << shape.padding;
  }
};

// Empty, single, around every vector's and the virtual width, several pieces of
// work.
inline std::vector<RowShape> RowShapes() {
  std::vector<RowShape> shapes = {{0, 5, 0, 0}, {5, 0, 0, 0}, {40, 1000, 3, 5}};
  for (const int64_t cols : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 576}) {
    shapes.push_back({3, cols, 0, 0});
    shapes.push_back({3, cols, 1, 1});
  }
  return shapes;
}

}  // namespace moe::kernels::testing

#endif  // MOE_KERNELS_TESTING_ROW_SHAPES_H_
