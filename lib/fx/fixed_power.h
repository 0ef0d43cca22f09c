// Powers of values between 0 and 1 in the 16-bit fixed point of the vector kernels.
//
// A value x is brought into [1/4, 1) by a power of 4, which of eight is found by the exponent of x as a
// float; there a polynomial of degree 4 is x^p for any p between 0 and 1 to 1/3000, and a factor for each
// power of 4 undoes the move. What p has beyond 1 are multiplications by x.
#pragma once

#include <cstdint>

namespace trickle::fx {

/// y = x^exponent, where 2 * full scale * x comes in and full scale * y goes out.
struct FixedPower {
  int16_t polynomial[5];    ///< Of half the power, the highest coefficient first, Q15.
  uint16_t normalise[8];    ///< What to multiply by, for values below 2, 8, 32 … 32768.
  int16_t scale[8];         ///< What to multiply the polynomial by after that, Q15.
  int multiplications = 0;  ///< By what came in.
};

/// \param exponent above 0, to 4. \param one full scale, below 2^14.
[[nodiscard]] FixedPower make_power(double exponent, double one);

}  // namespace trickle::fx
