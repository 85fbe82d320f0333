# Decimal text -> the nearest double.  Included by scan.pyx.
#
# source  Clinger 1990 for short decimals, Lemire 2021 ("Number parsing at a gigabyte per second") for long
#         ones, CPython's own conversion for the rest

cdef extern from "Python.h":
    double PyOS_string_to_double(const char* s, char** end, void* overflow) except? -1.0

cdef enum:
    MAX_EXACT_POWER = 22  # largest power of ten that a double holds exactly
    LEAST_POWER = -64  # of ten; what float32 rounds to zero lies below
    MOST_POWER = 38

cdef double[MAX_EXACT_POWER + 1] POWERS
for _i in range(MAX_EXACT_POWER + 1):
    POWERS[_i] = 10.0 ** _i

# 5^q, its first 128 bits with the top bit set; rounded down for q >= 0, up for q < 0
cdef uint64_t[MOST_POWER - LEAST_POWER + 1] FIVES_HIGH, FIVES_LOW


def _first_128_bits(q):
    if q >= 0:
        power = 5**q << 128
        return power >> (power.bit_length() - 128)
    power = 5**-q
    reciprocal = (1 << (power.bit_length() + 256)) // power
    return (reciprocal >> (reciprocal.bit_length() - 128)) + 1


for _i in range(LEAST_POWER, MOST_POWER + 1):
    FIVES_HIGH[_i - LEAST_POWER] = _first_128_bits(_i) >> 64
    FIVES_LOW[_i - LEAST_POWER] = _first_128_bits(_i) & 0xFFFFFFFFFFFFFFFF


cdef inline uint64_t _multiply(uint64_t a, uint64_t b, uint64_t* low) noexcept nogil:
    """The high and low halves of a * b."""
    cdef uint64_t a0 = <uint32_t>a, a1 = a >> 32, b0 = <uint32_t>b, b1 = b >> 32
    cdef uint64_t middle = a1 * b0 + (a0 * b0 >> 32)
    cdef uint64_t other = a0 * b1 + <uint32_t>middle
    low[0] = a * b
    return a1 * b1 + (middle >> 32) + (other >> 32)


cdef inline bint _nearest_double(uint64_t mantissa, int power, double* value) noexcept nogil:
    """mantissa * 10^power rounded once, to nearest even; False in the rare case that 128 bits don't decide.

    mantissa  not 0
    power     LEAST_POWER..MOST_POWER, so no result is subnormal or overflows
    """
    cdef uint64_t high, low, more, unused, bits
    cdef int shift = 0, top, exponent
    cdef int step = 32
    while step:
        if not mantissa >> (64 - step):
            mantissa <<= step
            shift += step
        step >>= 1
    high = _multiply(mantissa, FIVES_HIGH[power - LEAST_POWER], &low)
    if high & 0x1FF == 0x1FF:  # the bits below the result are all ones: the other half of 5^q may carry into them
        more = _multiply(mantissa, FIVES_LOW[power - LEAST_POWER], &unused)
        low += more
        if low < more:
            high += 1
        if low == ~<uint64_t>0 and not -27 <= power <= 55:
            return False
    top = <int>(high >> 63)
    bits = high >> (top + 9)
    exponent = ((217706 * power) >> 16) + 63 + top - shift + 1023
    if low <= 1 and -4 <= power <= 23 and bits & 3 == 1 and bits << (top + 9) == high:
        bits &= ~<uint64_t>1  # exactly between two doubles: to the even one
    bits = (bits + (bits & 1)) >> 1
    if bits >= <uint64_t>1 << 53:
        bits = <uint64_t>1 << 52
        exponent += 1
    bits = bits & ~(<uint64_t>1 << 52) | <uint64_t>exponent << 52
    memcpy(value, &bits, sizeof(double))
    return True


cdef inline const char* read_decimal(const char* begin, const char* end, double* value, bint* whole, const char** missing) except NULL:
    """Read the JSON number at begin.

    end      one behind the text, where a zero byte stands
    value    the nearest double
    whole    whether it was written without fraction and exponent
    missing  what was expected where it isn't a number; else left alone
    returns  one behind the number, or the place of the fault
    """
    cdef const char* p = begin
    cdef const char* digits
    cdef char* stop
    cdef uint64_t mantissa = 0
    cdef int n_digits = 0, exponent = 0, written = 0, sign = 1
    cdef bint negative = p[0] == c"-", exact = True
    if negative:
        p += 1
    if p[0] == c"0":
        p += 1
        if c"0" <= p[0] <= c"9":
            missing[0] = b"no digit after a leading zero"
            return p
    elif c"1" <= p[0] <= c"9":
        while c"0" <= p[0] <= c"9":
            if n_digits < 19:
                mantissa = mantissa * 10 + <uint64_t>(p[0] - c"0")
                n_digits += 1
            else:
                exponent += 1
                exact = False
            p += 1
    else:
        missing[0] = b"a number"
        return p if end - p <= 0 else begin
    whole[0] = True
    if p[0] == c".":
        whole[0] = False
        p += 1
        digits = p
        while c"0" <= p[0] <= c"9":
            if n_digits < 19:
                mantissa = mantissa * 10 + <uint64_t>(p[0] - c"0")
                n_digits += mantissa != 0  # leading zeros are no digits
                exponent -= 1
            else:
                exact = False
            p += 1
        if p == digits:
            missing[0] = b"a digit after the decimal point"
            return p
    if p[0] == c"e" or p[0] == c"E":
        whole[0] = False
        p += 1
        if p[0] == c"-":
            sign = -1
            p += 1
        elif p[0] == c"+":
            p += 1
        digits = p
        while c"0" <= p[0] <= c"9":
            if written < 100000:
                written = written * 10 + (p[0] - c"0")
            p += 1
        if p == digits:
            missing[0] = b"a digit of the exponent"
            return p
        exponent += sign * written
    if mantissa == 0:
        value[0] = -0.0 if negative else 0.0
    elif exact and mantissa <= (<uint64_t>1 << 53) and -MAX_EXACT_POWER <= exponent <= MAX_EXACT_POWER:
        value[0] = <double>mantissa  # both factors are exact, so one rounding gives the nearest double
        if exponent < 0:
            value[0] /= POWERS[-exponent]
        else:
            value[0] *= POWERS[exponent]
        if negative:
            value[0] = -value[0]
    elif exact and LEAST_POWER <= exponent <= MOST_POWER and _nearest_double(mantissa, exponent, value):
        if negative:
            value[0] = -value[0]
    else:
        value[0] = PyOS_string_to_double(begin, &stop, NULL)
    return p
