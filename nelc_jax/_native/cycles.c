/* The chain and the training of nonequilibrium latent cycles with one-hot latent
 * states, for one CPU thread.  Equation numbers are those of arXiv 2512.11415; the
 * functions of the library in XLA, which this follows number by number, are named.
 *
 * One thread takes a member from its first gradient step to its last, so that its
 * parameters (0.2 MB at 784 pixels) stay in the cache.  What else makes it fast:
 *
 * - A pixel is a row of L numbers, padded to P.  A state x is the list of its pixels
 *   that are on: h = w_bar x is the sum of their rows, the gradient of w_bar adds to
 *   their rows (eq. 17).
 * - A data point is a few runs of pixels.  Its logits w^T x_m are differences of
 *   prefix sums at the ends of the runs; its part in eq. 16a is added at the ends of
 *   the runs and summed up once at the end.  Both in integers, which wrap around, so
 *   that what cancels cancels exactly.
 * - The random words of a double step do not depend on the chain: those of the next
 *   step are made, in vectors, between the lists of this one.
 *
 * Numbers are float32, vectors are those of GCC and Clang (vector_size), no
 * intrinsics.  Compiled by compiler.py without -ffast-math, which may reorder the
 * rounding that the draws rely on.
 */

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define ALIGNMENT 64
/* Short loops over vectors in registers; Clang unrolls them by itself. */
#define UNROLL _Pragma("GCC unroll 16")

/* W numbers, as many as a register of this machine holds; 8 numbers of a row; and the
 * 32 half words of one vector of comparisons. */
#if defined(__AVX512BW__)
#define W 16
#elif defined(__AVX2__)
#define W 8
#else
#define W 4
#endif
/* P, the numbers of a row: L rounded up; a program is compiled for each P. */
#ifndef P
#define P 8
#endif
enum { LARGEST = P > W ? P : W };
typedef float fw __attribute__((vector_size(4 * W)));
typedef int32_t iw __attribute__((vector_size(4 * W)));
typedef uint32_t uw __attribute__((vector_size(4 * W)));
typedef float f8 __attribute__((vector_size(32)));
typedef int32_t i8 __attribute__((vector_size(32)));
typedef uint32_t u8 __attribute__((vector_size(32)));
enum { HALVES = 2 * W };
typedef uint16_t hw __attribute__((vector_size(2 * HALVES)));
typedef uint16_t h8 __attribute__((vector_size(16)));
typedef uint16_t h8_anywhere __attribute__((vector_size(16), aligned(2)));
typedef int32_t iw_anywhere __attribute__((vector_size(4 * W), aligned(4)));
typedef float fw_anywhere __attribute__((vector_size(4 * W), aligned(4)));

enum { BLOCK = 64, POINTS = 128 };
#define COUNTER_ROUNDING 0x80000000u
#define COUNTER_INDICES 0xFFFFFFFFu

/* A whole problem: sizes, and the settings of the rule. */
typedef struct {
    int64_t D, L, T, N;
    int64_t quarter;           /* ceil(D / 4): pixels k Q + i share the word pair i */
    int64_t vectors;           /* vectors of W word pairs in a double step */
    int64_t width, groups;     /* vectors = groups * width, width <= 16 */
    int64_t rows;              /* rows of w_bar, in the order of the lists */
    int softmax, exact;        /* eq. 9 or eq. 19; the score's reading */
} Problem;

/* ---- Arithmetic ---------------------------------------------------------------- */

INLINE fw splat(float a) { return a - (fw){0}; }
INLINE fw select_w(iw mask, fw yes, fw no) {
    return (fw)((mask & (iw)yes) | (~mask & (iw)no));
}
INLINE fw abs_w(fw a) { return (fw)((iw)a & INT_MAX); }
/* nan where either is, so that none is lost. */
INLINE float larger(float a, float b) { return a > b || a != a ? a : b; }

/* exp(x) for x >= 0: the polynomial of Cephes with the roundings of XLA's, so that
 * thresholds are the same integers.  The argument is not negative: int truncates. */
INLINE fw exp_positive(fw x) {
    x = select_w(x <= 88.8f, x, splat(88.8f));
    fw n = __builtin_convertvector(
        __builtin_convertvector(x * 0x1.715476p+0f + 0.5f, iw), fw);
    n = select_w(n <= 127.0f, n, splat(127.0f));
    x = x - n * 0x1.63p-1f;
    x = x - n * -0x1.bd0106p-13f;
    fw p = x * 0x1.a0d2cep-13f + 0x1.6e879cp-10f;
    p = p * x + 0x1.111210p-7f;
    p = p * x + 0x1.555382p-5f;
    p = p * x + 0x1.555554p-3f;
    p = p * x + 0.5f;
    p = 1.0f + (p * (x * x) + x);
    return p * (fw)((__builtin_convertvector(n, iw) + 127) << 23);
}

/* exp(x) for x <= 0, and 0 below -87. */
INLINE fw exp_negative(fw x) {
    iw tiny = x < -87.0f;
    x = select_w(tiny, splat(-87.0f), x);
    fw n = __builtin_convertvector(
        __builtin_convertvector(x * 0x1.715476p+0f - 0.5f, iw), fw);
    x = x - n * 0x1.63p-1f;
    x = x - n * -0x1.bd0106p-13f;
    fw p = x * 0x1.a0d2cep-13f + 0x1.6e879cp-10f;
    p = p * x + 0x1.111210p-7f;
    p = p * x + 0x1.555382p-5f;
    p = p * x + 0x1.555554p-3f;
    p = p * x + 0.5f;
    p = 1.0f + (p * (x * x) + x);
    p = p * (fw)((__builtin_convertvector(n, iw) + 127) << 23);
    return (fw)(~tiny & (iw)p);
}

/* ln x for positive normal x (Cephes). */
INLINE fw log_w(fw x) {
    iw bits = (iw)x;
    iw exponent = (bits - 0x3F3504F3) >> 23;   /* x = m 2^e, m in [1/sqrt 2, sqrt 2) */
    fw m = (fw)(bits - (exponent << 23)) - 1.0f;
    fw e = __builtin_convertvector(exponent, fw);
    fw p = 7.0376836292E-2f * m - 1.1514610310E-1f;
    p = p * m + 1.1676998740E-1f;
    p = p * m - 1.2420140846E-1f;
    p = p * m + 1.4249322787E-1f;
    p = p * m - 1.6668057665E-1f;
    p = p * m + 2.0000714765E-1f;
    p = p * m - 2.4999993993E-1f;
    p = p * m + 3.3333331174E-1f;
    fw square = m * m;
    fw low = p * m * square - 2.12194440e-4f * e - 0.5f * square;
    return m + low + 0.693359375f * e;
}

/* 1 / sqrt(x) to 7e-7: the integer estimate with the constants of Kadlec, whose first
 * step leaves 6.5e-4, and a Newton step.  The root and the quotient of the machine take
 * five times as long. */
INLINE fw rsqrt_w(fw x) {
    fw y = (fw)(0x5F1FFFF9 - ((iw)x >> 1));
    y = y * 0.703952253f * (2.38924456f - x * y * y);
    return y * (1.5f - 0.5f * x * y * y);
}

INLINE uw rotate(uw x, int r) { return (x << r) | (x >> (32 - r)); }

/* Threefry-2x32-20 (_random.threefry), of `n` counter vectors side by side: the rounds
 * of one wait for each other. */
INLINE void threefry(uint32_t k0, uint32_t k1, int n, uw *x0, uw *x1) {
    static const int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
    const uint32_t schedule[3] = {k0, k1, k0 ^ k1 ^ 0x1BD11BDAu};
    UNROLL
    for (int i = 0; i < n; i++) {
        x0[i] += schedule[0];
        x1[i] += schedule[1];
    }
    UNROLL
    for (int group = 0; group < 5; group++) {
        UNROLL
        for (int r = 0; r < 4; r++)
            UNROLL
            for (int i = 0; i < n; i++) {
                x0[i] += x1[i];
                x1[i] = rotate(x1[i], rotations[group % 2][r]) ^ x0[i];
            }
        UNROLL
        for (int i = 0; i < n; i++) {
            x0[i] += schedule[(group + 1) % 3];
            x1[i] += schedule[(group + 2) % 3] + (uint32_t)(group + 1);
        }
    }
}

INLINE uw counting(uint32_t first) {
    uw c;
    for (int i = 0; i < W; i++) c[i] = first + (uint32_t)i;
    return c;
}

/* Uniforms: midpoints of 2^23 cells (_random._uniform). */
INLINE fw uniform(uw words) {
    return (__builtin_convertvector((iw)(words >> 9), fw) + 0.5f) * 0x1p-23f;
}

/* ---- Memory --------------------------------------------------------------------- */

/* Everything that a member needs, cut from one allocation. */
typedef struct {
    /* Forward side: D rows of P in the order of the pixels. */
    float *w, *w_nu;              /* w + a (eq. 20), and RMSprop's mean square */
    float *mu, *spread, *moment;  /* sigmoid(w); rounding; sums of r x_m */
    int32_t *prefix, *change;     /* prefix sums of w; r at the ends of runs */
    float *round_at;              /* the rounding of a block, a number a pixel */
    uint16_t *words, *on;         /* random words of a double step; bits that are on */
    uint16_t *threshold;          /* (L, 2, vectors, HALVES) */
    uint16_t *always;             /* (L, 2, groups, HALVES) bits: thresholds of 2^16 */
    /* Backward side: rows of P in the order of the lists. */
    float *w_bar, *w_bar_nu, *gradient, *x_mean;
    int32_t *pixel, *row_of;      /* pixel of a row or -1; row of a pixel */
    /* The chain. */
    uint16_t *lists;              /* rows that are on, of x(0), x(1), .. */
    int64_t *list_start;
    int32_t *z;
    float *h, *noise, *coefficient;
    /* Points. */
    float *joint, *largest;
    uint16_t *positions;          /* (256, 8): the bits that are on in a byte */
    float __attribute__((aligned(ALIGNMENT))) a_bar[LARGEST], a_bar_nu[LARGEST], bias[LARGEST];
    float __attribute__((aligned(ALIGNMENT))) normaliser[LARGEST], weight[LARGEST], reward[LARGEST], total[LARGEST];
    float __attribute__((aligned(ALIGNMENT))) r[LARGEST];
} Member;

static int64_t take(char *base, int64_t at, int64_t bytes, void *pointer) {
    void *here = base ? base + at : NULL;
    memcpy(pointer, &here, sizeof here);
    return (at + bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Lists have at most `rows` entries, filled up with a row of zeros to a multiple of 8,
 * and are written 8 at a time. */
static int64_t list_capacity(const Problem *p) { return p->rows + 16; }
static int64_t padded_rows(const Problem *p) { return (p->D + 2) / 2 * 2; }

/* Cuts a member out of `base`; the bytes it takes, also where base is NULL. */
static int64_t cut_member(const Problem *p, int64_t steps, char *base, Member *m) {
    int64_t at = 0, forward = padded_rows(p) * P * 4, backward = (p->rows + 2) * P * 4;
    int64_t kept = steps < BLOCK ? BLOCK : steps;
    float **front[] = {&m->w, &m->w_nu, &m->mu, &m->spread, &m->moment};
    for (int i = 0; i < 5; i++) at = take(base, at, forward, front[i]);
    at = take(base, at, forward, &m->prefix);
    at = take(base, at, forward, &m->change);
    at = take(base, at, (p->D + 2 * W) * 4, &m->round_at);
    at = take(base, at, 2 * p->vectors * HALVES * 2, &m->words);
    at = take(base, at, 2 * p->groups * HALVES * 2, &m->on);
    at = take(base, at, p->L * 2 * p->vectors * HALVES * 2, &m->threshold);
    at = take(base, at, p->L * 2 * p->groups * HALVES * 2, &m->always);
    float **back[] = {&m->w_bar, &m->w_bar_nu, &m->gradient, &m->x_mean};
    for (int i = 0; i < 4; i++) at = take(base, at, backward, back[i]);
    at = take(base, at, (p->rows + 2) * 4, &m->pixel);
    at = take(base, at, p->D * 4, &m->row_of);
    at = take(base, at, (steps + 1) * list_capacity(p) * 2, &m->lists);
    at = take(base, at, (steps + 2) * 8, &m->list_start);
    at = take(base, at, kept * 4, &m->z);
    at = take(base, at, kept * P * 4 + ALIGNMENT, &m->h);
    at = take(base, at, BLOCK * P * 4 + ALIGNMENT, &m->noise);
    at = take(base, at, kept * P * 4 + ALIGNMENT, &m->coefficient);
    at = take(base, at, POINTS * P * 4, &m->joint);
    at = take(base, at, POINTS * 4, &m->largest);
    return take(base, at, 256 * 16, &m->positions);
}

/* Sizes that follow from D: vectors of W word pairs, in groups of at most 16, so that
 * the comparisons of a group fit into the 16 bits of a vector of half words. */
static void lay_out(Problem *p) {
    p->quarter = (p->D + 3) / 4;
    int64_t vectors = (p->quarter + W - 1) / W;
    p->groups = (vectors + 15) / 16;
    p->width = (vectors + p->groups - 1) / p->groups;
    p->vectors = p->groups * p->width;
    p->rows = 2 * p->groups * HALVES * p->width;
}

/* Which pixel a row of w_bar is.  Row ((half G + g) HALVES + lane) width + j is the
 * comparison `lane` of vector g width + j: pixel k Q + i with word pair i, and of its
 * two words the half word k (_random.draw_packed). */
static void order_rows(const Problem *p, Member *m) {
    for (int64_t row = 0; row < p->rows; row++) {
        int64_t j = row % p->width, lane = row / p->width % HALVES;
        int64_t g = row / p->width / HALVES % p->groups;
        int64_t half = row / p->width / HALVES / p->groups;
        int64_t i = (g * p->width + j) * W + lane / 2, k = 2 * half + lane % 2;
        int64_t pixel = k * p->quarter + i;
        m->pixel[row] = i < p->quarter && pixel < p->D ? (int32_t)pixel : -1;
        if (m->pixel[row] >= 0) m->row_of[pixel] = (int32_t)row;
    }
    for (int byte = 0; byte < 256; byte++) {
        int count = 0;
        memset(m->positions + 8 * byte, 0, 16);
        for (int bit = 0; bit < 8; bit++)
            if (byte >> bit & 1) m->positions[8 * byte + count++] = (uint16_t)bit;
    }
}

/* ---- The chain (eq. 18) ---------------------------------------------------------- */

/* _random.rounding: one uniform a pixel for the steps of a block. */
static void make_rounding(const Problem *p, Member *m, const uint32_t *key, int64_t block) {
    int64_t half = (p->D + 1) / 2;
    for (int64_t i = 0; i < half; i += W) {
        uw x0 = COUNTER_ROUNDING + (uint32_t)block - (uw){0}, x1 = counting((uint32_t)i);
        threefry(key[0], key[1], 1, &x0, &x1);
        fw low = uniform(x0), high = uniform(x1);
        /* Overlapping stores: low words may run past `half`, high words follow. */
        for (int l = 0; l < W && i + l < half; l++) m->round_at[i + l] = low[l];
        for (int l = 0; l < W && half + i + l < p->D; l++)
            m->round_at[half + i + l] = high[l];
    }
}

/* Element 2 i of two vectors side by side, and element 2 i + 1. */
#if W == 16
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif W == 8
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#else
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#endif
#ifdef __clang__
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (iw){__VA_ARGS__})
#endif

/* The thresholds of pixel pairs (i, i + Q) and (i + 2 Q, i + 3 Q), one pair beside the
 * other in a word, as rows of one latent state. */
INLINE void transpose_thresholds(const Problem *p, Member *m, const int32_t *q) {
    const int64_t Q = p->quarter, stride = 2 * p->vectors * HALVES;
    int64_t i = 0;
#if P == 8
    /* W rows of 8 columns are 8 vectors; three times the even elements in front of the
     * odd ones make them 8 rows of W columns. */
    for (; i + W <= Q && 3 * Q + i + W <= p->D; i += W)
        for (int half = 0; half < 2; half++) {
            iw a[8], b[8];
            UNROLL
            for (int v = 0; v < 8; v++) {
                const int32_t *first = q + (2 * half * Q + i) * 8 + v * W;
                const int32_t *second = first + Q * 8;
                a[v] = *(const iw_anywhere *)first | *(const iw_anywhere *)second << 16;
            }
            UNROLL
            for (int stage = 0; stage < 3; stage++) {
                UNROLL
                for (int v = 0; v < 4; v++) {
                    b[v] = SHUFFLE(a[2 * v], a[2 * v + 1], EVEN);
                    b[v + 4] = SHUFFLE(a[2 * v], a[2 * v + 1], ODD);
                }
                UNROLL
                for (int v = 0; v < 8; v++) a[v] = b[v];
            }
            uint16_t *to = m->threshold + half * p->vectors * HALVES + 2 * i;
            UNROLL
            for (int k = 0; k < 8; k++)
                if (k < p->L) *(iw_anywhere *)(to + k * stride) = a[k];
        }
#endif
    for (; i < Q; i++)
        for (int64_t part = 0; part < 4 && part * Q + i < p->D; part++)
            for (int64_t k = 0; k < p->L; k++)
                m->threshold[k * stride + part / 2 * p->vectors * HALVES + 2 * i + part % 2] =
                    (uint16_t)q[(part * Q + i) * P + k];
}

/* _random.thresholds of every latent state; with `sums`, also mu = sigmoid(w) and the
 * normalisers sum_i ln(1 + exp(w_i)) of eq. 10. */
INLINE void make_thresholds(const Problem *p, Member *m, const uint32_t *key, int64_t block,
                            int sums) {
    enum { PERIOD = P > W ? P : W, FACTORS = 64 };   /* rows or vectors */
    make_rounding(p, m, key, block);
    for (int64_t i = 0; i < p->D; i++)
        UNROLL
        for (int k = 0; k < P; k += 8)
            *(f8 *)(m->spread + i * P + k) = m->round_at[i] - (f8){0};
    int32_t *q_rows = m->prefix;   /* free until the prefix sums are made */
    iw full = {0};
    fw total[PERIOD / W];
    for (int c = 0; c < PERIOD / W; c++) total[c] = (fw){0};
    int64_t size = padded_rows(p) * P;
    for (int64_t first = 0; first < size; first += FACTORS * PERIOD) {
        int64_t end = first + FACTORS * PERIOD < size ? first + FACTORS * PERIOD : size;
        UNROLL
        for (int c = 0; c < PERIOD / W; c++) {
            /* A product of numbers in [1/2, 1] and its logarithm instead of a sum of
             * logarithms. */
            fw product = splat(1.0f), linear = {0};
            for (int64_t at = first + c * W; at < end; at += PERIOD) {
                fw l = *(fw *)(m->w + at);
                fw tail = 1.0f / (1.0f + exp_positive(abs_w(l)));
                iw on = l > 0.0f;
                iw below = __builtin_convertvector(
                    tail * 65536.0f + *(fw *)(m->spread + at), iw);
                iw q = (on & (65536 - below)) | (~on & below);
                full |= q;
                *(iw *)(q_rows + at) = q;
                if (sums) {
                    fw rest = 1.0f - tail;
                    *(fw *)(m->mu + at) = select_w(on, rest, tail);
                    linear += (fw)(~(l <= 0.0f) & (iw)l);   /* or not a number */
                    product *= rest;
                }
            }
            if (sums) total[c] += linear - log_w(product);
        }
    }
    if (sums) {
        memset(m->normaliser, 0, sizeof m->normaliser);
        for (int k = 0; k < PERIOD; k++)
            m->normaliser[k % P] += total[k / W][k % W];
        /* Rows that fill up the last pixels are zero, each ln 2 too much. */
        float spare = (float)(padded_rows(p) - p->D) * 0.69314718f;
        for (int k = 0; k < P; k++) m->normaliser[k] -= spare;
    }
    transpose_thresholds(p, m, q_rows);
    /* The threshold 2^16 has no 16 bits: a bit that is always on stands for it. */
    int64_t lanes = 2 * p->groups * HALVES;
    memset(m->always, 0, (size_t)(p->L * lanes * 2));
    int any = 0;
    for (int l = 0; l < W; l++) any |= full[l] >> 16;
    for (int64_t i = 0; any && i < p->D; i++)
        for (int64_t k = 0; k < p->L; k++)
            if (q_rows[i * P + k] == 65536)
                m->always[k * lanes + m->row_of[i] / p->width] |=
                    (uint16_t)(1 << m->row_of[i] % p->width);
}

/* The noise of the latent draws of a block: Gumbel variables (OneHot.noise). */
INLINE void make_noise(const Problem *p, Member *m, const uint32_t *key,
                       int64_t first, int64_t steps) {
    const int shift = P == 8 ? 3 : P == 16 ? 4 : P == 32 ? 5 : 6;
    for (int64_t at = 0; at < steps * P; at += W) {
        uw index = counting((uint32_t)at);
        uw x0 = (index >> shift) + (uint32_t)first;
        uw x1 = (index & (uint32_t)(P - 1)) + (uint32_t)p->quarter;
        threefry(key[0], key[1], 1, &x0, &x1);
        *(fw *)(m->noise + at) = -log_w(-log_w(uniform(x0)));
    }
}

/* z ~ p(z|x), the state of largest ln p(z|x) + noise (eq. 9 or 19, the Gumbel trick). */
INLINE int draw_latent(const Problem *p, const float *h, const float *noise) {
    float score[LARGEST + W] __attribute__((aligned(ALIGNMENT)));
    UNROLL
    for (int k = 0; k < P; k += W) {
        /* Of P = 8 in vectors of 16, the second half is the next step's, unused. */
        fw field = *(const fw_anywhere *)(h + k), value = field;
        if (!p->softmax) {
            fw e = exp_negative(-abs_w(field));
            value = select_w(field < 0.0f, field, splat(0.0f)) - log_w(1.0f + e);
        }
        *(fw *)(score + k) = value + *(const fw_anywhere *)(noise + k);
    }
    int best = 0;
    for (int k = 1; k < (int)p->L; k++)
        best = score[k] > score[best] ? k : best;
    return best;
}

/* The field h = w_bar x + bias of the rows in a list (eq. 9, 11). */
INLINE void field(const Member *m, const uint16_t *list, int64_t count,
                  float *h) {
    enum { CHAINS = 4 };   /* additions wait for each other: four sums at once */
    UNROLL
    for (int k = 0; k < P; k += 8) {
        f8 sum[CHAINS] = {*(const f8 *)(m->bias + k)};
        for (int64_t i = 0; i < count; i += CHAINS)
            UNROLL
            for (int c = 0; c < CHAINS; c++)
                sum[c] += *(const f8 *)(m->w_bar + (int64_t)list[i + c] * P + k);
        *(f8 *)(h + k) = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
}

/* The word pairs of vectors `v` to `v + 3` of double step t, of which the last ones may
 * not exist; four at once, because the rounds of one wait for each other. */
INLINE void make_words(const Problem *p, Member *m, const uint32_t *key, uint32_t t, int64_t v) {
    uw low[4], high[4];
    UNROLL
    for (int i = 0; i < 4; i++) {
        low[i] = t - (uw){0};
        high[i] = counting((uint32_t)((v + i) * W));
    }
    uw *lows = (uw *)m->words + v, *highs = lows + p->vectors;
    if (v + 4 <= p->vectors) {
        threefry(key[0], key[1], 4, low, high);
        UNROLL
        for (int i = 0; i < 4; i++) lows[i] = low[i], highs[i] = high[i];
    } else
        for (int i = 0; v + i < p->vectors; i++) {
            threefry(key[0], key[1], 1, low + i, high + i);
            lows[i] = low[i], highs[i] = high[i];
        }
}

/* x' ~ p(x|z) in double step t as the list of its rows; returns how many they are
 * (_random.draw_packed).  The words of step t are there; those of the next one, which
 * need nothing of this one, are made on the way: vectors keep the processor busy while
 * it walks along the lists. */
INLINE int64_t draw_pixels(const Problem *p, Member *m, const uint32_t *key, uint32_t t, int z,
                           int last, uint16_t *list) {
    const int64_t width = p->width, lanes = 2 * p->groups * HALVES;
    const hw *threshold = (const hw *)(m->threshold + 2 * z * p->vectors * HALVES);
    const hw *always = (const hw *)(m->always + z * lanes), *words = (const hw *)m->words;
    /* Comparison j of a group leaves its bits at place j: no bit needs a shuffle. */
    for (int64_t g = 0; g < 2 * p->groups; g++) {
        hw on = always[g], bit = (hw){0} + 1;
        for (int64_t j = 0; j < width; j++, bit += bit)
            on |= (hw)(words[g * width + j] < threshold[g * width + j]) & bit;
        *(hw *)(m->on + g * HALVES) = on;
    }
    const h8 *positions = (const h8 *)m->positions;
    uint16_t *end = list, row = 0;
    int64_t parts = (p->vectors + 3) / 4, lane = 0;
    for (int64_t part = 0; part < parts; part++) {
        if (!last) make_words(p, m, key, t + 1, 4 * part);
        /* Bytes to lists: eight entries are written, those of bits that are on stay. */
        for (int64_t until = lanes * (part + 1) / parts; lane < until; lane++) {
            unsigned first = m->on[lane] & 255, second = m->on[lane] >> 8;
            *(h8_anywhere *)end = positions[first] + row;
            end += __builtin_popcount(first);
            *(h8_anywhere *)end = positions[second] + (uint16_t)(row + 8);
            end += __builtin_popcount(second);
            row += (uint16_t)width;
        }
    }
    return end - list;
}

/* Fills a list up with the row of zeros to a multiple of 8. */
INLINE int64_t fill_up(const Problem *p, uint16_t *list, int64_t count) {
    for (int64_t i = 0; i < 8; i++) list[count + i] = (uint16_t)p->rows;
    return (count + 7) / 8 * 8;
}

/* At most one block of double steps, from step `first` of the chain; lists are kept
 * from list number `at`, the fields and states from number 0. */
INLINE void chain_block(const Problem *p, Member *m, const uint32_t *key,
                        int64_t first, int64_t steps, int64_t at, int64_t keep) {
    make_noise(p, m, key, first, steps);
    for (int64_t v = 0; v < p->vectors; v += 4) make_words(p, m, key, (uint32_t)first, v);
    for (int64_t s = 0; s < steps; s++) {
        uint16_t *list = m->lists + m->list_start[at + s];
        int64_t count = m->list_start[at + s + 1] - m->list_start[at + s];
        float *h = m->h + (keep + s) * P;
        field(m, list, count, h);
        int z = draw_latent(p, h, m->noise + s * P);
        m->z[keep + s] = z;
        uint16_t *next = list + count;
        int64_t drawn = draw_pixels(p, m, key, (uint32_t)(first + s), z, s + 1 == steps, next);
        m->list_start[at + s + 2] =
            m->list_start[at + s + 1] + fill_up(p, next, drawn);
    }
}

/* The list of a visible state, as the first one. */
static void list_state(const Problem *p, Member *m, const uint8_t *x) {
    int64_t count = 0;
    for (int64_t i = 0; i < p->D; i++)
        if (x[i]) m->lists[count++] = (uint16_t)m->row_of[i];
    m->list_start[0] = 0;
    m->list_start[1] = fill_up(p, m->lists, count);
}

static void unlist_state(const Problem *p, const Member *m, int64_t at, uint8_t *x) {
    memset(x, 0, (size_t)p->D);
    for (int64_t i = m->list_start[at]; i < m->list_start[at + 1]; i++)
        if (m->lists[i] < p->rows) x[m->pixel[m->lists[i]]] = 1;
}

/* h = w_bar (x - x_mean) + a_bar as w_bar x + bias (chain._stepper). */
INLINE void make_bias(const Problem *p, Member *m) {
    float bias[LARGEST] __attribute__((aligned(ALIGNMENT)));
    memcpy(bias, m->a_bar, sizeof bias);
    for (int64_t row = 0; row < p->rows; row++)
        UNROLL
        for (int k = 0; k < P; k += 8)
            *(f8 *)(bias + k) -= *(f8 *)(m->w_bar + row * P + k) * *(f8 *)(m->x_mean + row * P + k);
    memcpy(m->bias, bias, sizeof bias);
}

/* ---- The data (eq. 16) ----------------------------------------------------------- */

/* Ends of the runs of pixels that are on, of every point: a start, an end, a start .. */
typedef struct {
    uint16_t *ends;
    int64_t *start;   /* N + 1 */
} Runs;

static int find_runs(const Member *m, const uint8_t *x, int64_t N, int64_t D, Runs *runs) {
    const h8 *positions = (const h8 *)m->positions;
    int64_t room = 64 * N + D + 16, count = 0;
    runs->start = malloc((size_t)(N + 1) * sizeof *runs->start);
    runs->ends = malloc((size_t)room * sizeof *runs->ends);
    if (!runs->start || !runs->ends) return 0;
    for (int64_t n = 0; n < N; n++, x += D) {
        if (count + D + 16 > room) {
            room = 2 * room + D + 16;
            uint16_t *more = realloc(runs->ends, (size_t)room * sizeof *more);
            if (!more) return 0;
            runs->ends = more;
        }
        runs->start[n] = count;
        uint64_t before = 0;
        for (int64_t i = 0; i < D; i += 8) {
            uint64_t eight = 0;
            if (i + 8 <= D) memcpy(&eight, x + i, 8);
            else for (int64_t j = i; j < D; j++) eight |= (uint64_t)x[j] << 8 * (j - i);
            /* Bytes that differ from the one before, and one bit of each. */
            uint64_t changes = eight ^ (eight << 8 | before);
            unsigned byte = (unsigned)(changes * 0x0102040810204080u >> 56);
            *(h8_anywhere *)(runs->ends + count) = positions[byte] + (uint16_t)i;
            count += __builtin_popcount(byte);
            before = eight >> 56;
        }
        if (before) runs->ends[count++] = (uint16_t)D;
        /* Otherwise the last run ends in front of the zeros that fill up eight. */
    }
    runs->start[N] = count;
    return 1;
}

static void free_runs(Runs *runs) {
    free(runs->start);
    free(runs->ends);
}

/* Prefix sums of the rows of w as integers, one row more than there are pixels; returns
 * the value of one unit. */
INLINE float make_prefix(const Problem *p, Member *m) {
    float size[LARGEST] __attribute__((aligned(ALIGNMENT))) = {0}, bound = 0.0f;
    for (int64_t i = 0; i < p->D; i++)
        UNROLL
        for (int k = 0; k < P; k += 8) {
            i8 bits = *(i8 *)(m->w + i * P + k) & INT_MAX;
            *(f8 *)(size + k) += (f8)bits;
        }
    for (int k = 0; k < P; k++) {
        bound = size[k] > bound ? size[k] : bound;
        /* An infinite weight, or none: so are the numbers that follow (finite). */
        if (!(size[k] < INFINITY)) m->normaliser[k] = NAN;
    }
    if (bound == INFINITY) bound = 0.0f;
    /* No logit exceeds `bound`, so 2^30 of its units hold it and its roundings. */
    int exponent;
    frexpf(bound, &exponent);
    exponent = exponent < -60 ? -60 : exponent;
    float scale = ldexpf(1.0f, 30 - exponent);
    i8 sum[LARGEST / 8] = {{0}};
    for (int64_t i = 0; i < p->D; i++)
        UNROLL
        for (int k = 0; k < P; k += 8) {
            *(i8 *)(m->prefix + i * P + k) = sum[k / 8];
            f8 l = *(f8 *)(m->w + i * P + k);
            f8 half = (f8)(((i8)l & INT_MIN) | (i8)(0.5f - (f8){0}));
            /* Unsigned: prefix sums wrap around, their differences do not. */
            sum[k / 8] = (i8)((u8)sum[k / 8] +
                              (u8)__builtin_convertvector(l * scale + half, i8));
        }
    UNROLL
    for (int k = 0; k < P; k += 8) *(i8 *)(m->prefix + p->D * P + k) = sum[k / 8];
    return 1.0f / scale;
}

/* ln A[z, x] + ln weight of at most POINTS points of the mini-batch. */
INLINE void joint_rows(const Problem *p, Member *m, const Runs *runs,
                       const int64_t *chosen, int64_t count, float unit) {
    float offset[LARGEST] __attribute__((aligned(ALIGNMENT)));
    for (int k = 0; k < P; k++)
        offset[k] = (k < p->L ? logf(m->weight[k]) : -INFINITY) - m->normaliser[k];
    for (int64_t n = 0; n < count; n++) {
        const uint16_t *ends = runs->ends + runs->start[chosen[n]];
        int64_t number = runs->start[chosen[n] + 1] - runs->start[chosen[n]];
        float *row = m->joint + n * P;
        UNROLL
        for (int k = 0; k < P; k += 8) {
            u8 sum = {0}, other = {0};
            const int32_t *prefix = m->prefix + k;
            for (int64_t i = 0; i < number; i += 2) {
                other += *(const u8 *)(prefix + (int64_t)ends[i] * P);
                sum += *(const u8 *)(prefix + (int64_t)ends[i + 1] * P);
            }
            f8 logit = __builtin_convertvector((i8)(sum - other), f8) * unit;
            *(f8 *)(row + k) = logit + *(f8 *)(offset + k);
        }
        float largest = row[0];
        for (int k = 1; k < (int)p->L; k++)
            largest = larger(largest, row[k]);
        m->largest[n] = largest;
        UNROLL
        for (int k = 0; k < P; k += 8) *(f8 *)(row + k) -= largest;
    }
}

/* Responsibilities r[z, m] of `count` points (eq. 16), their sum into m->r, and into
 * m->change at the ends of the runs, in units of 2^-23.  Returns sum_m ln p(x_m). */
INLINE float add_points(const Problem *p, Member *m, const Runs *runs,
                        const int64_t *chosen, int64_t count) {
    for (int64_t at = 0; at < count * P; at += W)
        *(fw *)(m->joint + at) = exp_negative(*(fw *)(m->joint + at));
    float total = 0.0f, sums[POINTS] __attribute__((aligned(ALIGNMENT)));
    for (int64_t n = 0; n < count; n++) {
        float sum = 0.0f;
        for (int k = 0; k < (int)p->L; k++) sum += m->joint[n * P + k];
        sums[n] = sum;
    }
    for (int64_t n = count; n % W; n++) sums[n] = 1.0f, m->largest[n] = 0.0f;
    for (int64_t n = 0; n < count; n += W) {
        fw log_p = log_w(*(fw *)(sums + n)) + *(fw *)(m->largest + n);
        for (int l = 0; l < W; l++) total += log_p[l];
    }
    i8 all[LARGEST / 8] = {{0}};
    for (int64_t n = 0; n < count; n++) {
        const uint16_t *ends = runs->ends + runs->start[chosen[n]];
        int64_t number = runs->start[chosen[n] + 1] - runs->start[chosen[n]];
        float scale = 0x1p23f / sums[n];
        scale = scale <= 0x1p23f ? scale : 0.0f;   /* also where it is not a number */
        UNROLL
        for (int k = 0; k < P; k += 8) {
            f8 rows = *(f8 *)(m->joint + n * P + k);
            rows = (f8)((i8)rows & (rows <= 1.0f));
            i8 r = __builtin_convertvector(rows * scale + 0.5f, i8);
            all[k / 8] += r;
            int32_t *change = m->change + k;
            for (int64_t i = 0; i < number; i += 2) {
                *(i8 *)(change + (int64_t)ends[i] * P) += r;
                *(i8 *)(change + (int64_t)ends[i + 1] * P) -= r;
            }
        }
    }
    UNROLL
    for (int k = 0; k < P; k += 8)
        *(f8 *)(m->r + k) += __builtin_convertvector(all[k / 8], f8) * 0x1p-23f;
    return total;
}

/* Sums up what add_points left at the ends of runs: m->moment += sum_m r x_m. */
INLINE void sum_changes(const Problem *p, Member *m, int first) {
    UNROLL
    for (int k = 0; k < P; k += 8) {
        i8 sum = {0};
        for (int64_t i = 0; i < p->D; i++) {
            sum += *(i8 *)(m->change + i * P + k);
            *(i8 *)(m->change + i * P + k) = (i8){0};
            f8 moment = __builtin_convertvector(sum, f8) * 0x1p-23f;
            f8 *to = (f8 *)(m->moment + i * P + k);
            *to = first ? moment : *to + moment;
        }
        *(i8 *)(m->change + p->D * P + k) = (i8){0};
    }
}

/* Numbers of the mini-batch's points (_random.draw_indices). */
static void choose_points(const Problem *p, const uint32_t *key, int64_t first,
                          int64_t count, int64_t *chosen) {
    for (int64_t n = 0; n < count; n += W) {
        uw x0 = COUNTER_INDICES - (uw){0}, x1 = counting((uint32_t)(first + n));
        threefry(key[0], key[1], 1, &x0, &x1);
        for (int l = 0; l < W; l++) chosen[n + l] = x0[l] % (uint32_t)p->N;
    }
}

/* ---- The gradient (eq. 16, 17) and the update ------------------------------------- */

INLINE float minimum(float a, float b) { return a < b ? a : b; }

/* z - mu of eq. 16c-d for all double steps, times g(z(t)) / T; and the sums over t. */
INLINE void make_coefficients(const Problem *p, Member *m) {
    float total[LARGEST] = {0};
    for (int64_t at = 0; at < p->T * P; at += W) {
        fw h = *(fw *)(m->h + at), e = exp_negative(-abs_w(h));
        fw tail = e / (1.0f + e);
        *(fw *)(m->coefficient + at) = select_w(h < 0.0f, tail, 1.0f - tail);
    }
    for (int64_t t = 0; t < p->T; t++) {
        float *c = m->coefficient + t * P, weight[LARGEST], sum = 0.0f;
        const float *h = m->h + t * P;
        float scale = m->reward[m->z[t]] / (float)p->T;
        if (p->exact) {
            float largest = h[0];
            for (int k = 1; k < p->L; k++) largest = larger(largest, h[k]);
            /* sigmoid(h) = e^min(h, 0) / (1 + e^-|h|), over that of the largest field:
             * all of them may underflow. */
            for (int k = 0; k < p->L; k++)
                sum += weight[k] = p->softmax
                                       ? expf(h[k] - largest)
                                       : expf(minimum(h[k], 0.0f) - minimum(largest, 0.0f)) /
                                             (1.0f + expf(-fabsf(h[k])));
        }
        for (int k = 0; k < P; k++) {
            float mu = !p->exact || k >= p->L ? c[k] : weight[k] / sum;
            float score = (k == m->z[t]) - mu;
            if (p->exact && !p->softmax) score /= 1.0f + expf(h[k]);
            c[k] = k < p->L ? scale * score : 0.0f;
            total[k] += c[k];
        }
    }
    memcpy(m->total, total, sizeof total);
}

/* One gradient of the likelihood (TrajectoryGradient, horizon 1): the chain, the mini-
 * batch, and what the update needs of them: m->moment, m->r, m->gradient, m->total. */
INLINE float find_gradient(const Problem *p, Member *m, const Runs *runs,
                           const uint32_t *key, int64_t batch) {
    for (int64_t first = 0; first < p->T; first += BLOCK) {
        int64_t steps = p->T - first < BLOCK ? p->T - first : BLOCK;
        make_thresholds(p, m, key, first / BLOCK, first + BLOCK >= p->T);
        chain_block(p, m, key, first, steps, first, first);
    }
    int visits[LARGEST] = {0};
    for (int64_t t = 0; t < p->T; t++) visits[m->z[t]]++;
    for (int k = 0; k < P; k++) m->weight[k] = (float)visits[k] / (float)p->T;
    float unit = make_prefix(p, m), log_p = 0.0f;
    memset(m->r, 0, sizeof m->r);
    for (int64_t first = 0; first < batch; first += POINTS) {
        int64_t chosen[POINTS], count = batch - first;
        count = count < POINTS ? count : POINTS;
        choose_points(p, key, first, count, chosen);
        joint_rows(p, m, runs, chosen, count, unit);
        log_p += add_points(p, m, runs, chosen, count);
        sum_changes(p, m, first == 0);
    }
    for (int k = 0; k < P; k++) {
        m->r[k] /= (float)batch;
        m->reward[k] = m->r[k] / (visits[k] ? m->weight[k] : 1.0f);
    }
    make_coefficients(p, m);
    memset(m->gradient, 0, (size_t)((p->rows + 1) * P) * 4);
    for (int64_t t = 0; t < p->T; t++) {
        const uint16_t *list = m->lists + m->list_start[t];
        int64_t count = m->list_start[t + 1] - m->list_start[t];
        UNROLL
        for (int k = 0; k < P; k += 8) {
            f8 c = *(f8 *)(m->coefficient + t * P + k);
            for (int64_t i = 0; i < count; i++)
                *(f8 *)(m->gradient + (int64_t)list[i] * P + k) += c;
        }
    }
    return log_p / (float)batch;
}

/* One step of RMSprop, with eps inside of the root (training.rmsprop). */
typedef struct { float rate, decay, eps; } Rmsprop;
INLINE fw ascend(const Rmsprop *o, fw gradient, fw *value, fw *square) {
    /* Numbers below 2^-126, of a pixel that is never on, would take a hundred times as
     * long; they move nothing. */
    gradient = (fw)(~(abs_w(gradient) < 1e-16f) & (iw)gradient);
    *square = *square * o->decay + (1.0f - o->decay) * (gradient * gradient);
    *square = (fw)(~(*square < 1e-32f) & (iw)*square);
    *value += o->rate * (gradient * rsqrt_w(*square + o->eps));
    return gradient;
}

/* Eq. 16a and 17 into the parameters (or, without an optimiser, into w_nu and w_bar_nu). */
INLINE void update(const Problem *p, Member *m, int64_t batch,
                   const Rmsprop *o) {
    float rows[2][2 * LARGEST] __attribute__((aligned(ALIGNMENT)));
    const int period = P > W ? P : W;   /* a vector may hold two rows */
    for (int k = 0; k < period; k++) {
        rows[0][k] = m->r[k % P];
        rows[1][k] = m->total[k % P];
    }
    float each = 1.0f / (float)batch;
    for (int64_t at = 0; at < padded_rows(p) * P; at += W) {
        fw gradient = *(fw *)(m->moment + at) * each
                    - *(fw *)(rows[0] + at % period) * *(fw *)(m->mu + at);
        if (o) ascend(o, gradient, (fw *)(m->w + at), (fw *)(m->w_nu + at));
        else *(fw *)(m->w_nu + at) = gradient;
    }
    /* The rows that fill up the last pixels stay as they are. */
    memset(m->w + p->D * P, 0, (size_t)((padded_rows(p) - p->D) * P) * 4);
    for (int64_t at = 0; at < p->rows * P; at += W) {
        fw gradient = *(fw *)(m->gradient + at)
                    - *(fw *)(rows[1] + at % period) * *(fw *)(m->x_mean + at);
        if (o) ascend(o, gradient, (fw *)(m->w_bar + at), (fw *)(m->w_bar_nu + at));
        else *(fw *)(m->w_bar_nu + at) = gradient;
    }
    UNROLL
    for (int k = 0; k < P; k += W) {
        float padded[3][2 * LARGEST] __attribute__((aligned(ALIGNMENT))) = {{0}};
        memcpy(padded[0], m->total, sizeof m->total);
        memcpy(padded[1], m->a_bar, sizeof m->a_bar);
        memcpy(padded[2], m->a_bar_nu, sizeof m->a_bar_nu);
        fw *nu = (fw *)(padded[2] + k);
        if (o) ascend(o, *(fw *)(padded[0] + k), (fw *)(padded[1] + k), nu);
        else *nu = *(fw *)(padded[0] + k);
        int count = P - k < W ? P - k : W;
        memcpy(m->a_bar + k, padded[1] + k, (size_t)count * 4);
        memcpy(m->a_bar_nu + k, padded[2] + k, (size_t)count * 4);
    }
}

/* ---- The latent kernel M by importance sampling (eq. 3) ---------------------------- */

/* The estimator is described in diagnostics/_averages.py: of a latent state some draws
 * come from its own law, and as many from tilted ones, with logits l + beta d for one of
 * K directions d.  Rows of pixels are here in the order of the words: part after part
 * of `quarter` pixels, each filled up with pixels that are never on. */
enum { STRATA = 4, FINE = 4, STRENGTHS = STRATA * FINE };
INLINE float strength(int64_t number) { return (float)(number + 1) / STRENGTHS; }

typedef struct {
    int64_t flips, directions;    /* R; K = 2 R: each alone, or minus that of z* */
    int64_t lanes;                /* K, filled up to whole vectors */
    int64_t draws;                /* of a round, the tilted ones first */
    int64_t rounds, batches;
    int64_t part, pixels;         /* numbers of a part and of a row of pixels */
    float *w_bar;                 /* L rows of pixels */
    float *logits, *direction;    /* a row, and K rows */
    float *spread;                /* the rounding of a round */
    float *log_norm, *ratio;      /* (STRENGTHS, lanes): ln E[e^(beta d x)]; of a draw */
    float *along;                 /* d x of a draw */
    float *terms, *weight;        /* (draws, P) ln A_bar[x, z]; a number a draw */
} Average;

static int64_t cut_average(const Problem *p, char *base, Average *a) {
    int64_t at = 0, row = a->pixels * 4, many = (a->draws + W) * 4;
    at = take(base, at, p->L * row, &a->w_bar);
    at = take(base, at, row, &a->logits);
    at = take(base, at, a->directions * row, &a->direction);
    at = take(base, at, row, &a->spread);
    at = take(base, at, STRENGTHS * a->lanes * 4, &a->log_norm);
    at = take(base, at, STRENGTHS * a->lanes * 4, &a->ratio);
    at = take(base, at, a->lanes * 4, &a->along);
    at = take(base, at, (a->draws * P + W) * 4, &a->terms);
    return take(base, at, many, &a->weight);
}

/* A number a pixel into that order. */
static void in_parts(const Problem *p, const Average *a, const float *from, int64_t stride,
                     float spare, float *to) {
    for (int64_t k = 0; k < 4; k++)
        for (int64_t i = 0; i < a->part; i++) {
            int64_t pixel = k * p->quarter + i;
            int there = i < p->quarter && pixel < p->D;
            to[k * a->part + i] = there ? from[pixel * stride] : spare;
        }
}

/* Thresholds for logits l + beta d, in the place of latent state 0
 * (make_thresholds). */
INLINE void tilt_thresholds(const Problem *p, Member *m, const Average *a,
                            const float *d, float beta) {
    for (int64_t half = 0; half < 2; half++)
        for (int64_t g = 0; g < p->groups; g++) {
            uw always = {0};
            for (int64_t j = 0; j < p->width; j++) {
                int64_t v = g * p->width + j;
                iw q[2];
                UNROLL
                for (int side = 0; side < 2; side++) {
                    int64_t at = (2 * half + side) * a->part + v * W;
                    fw l = *(fw *)(a->logits + at) + beta * *(const fw *)(d + at);
                    fw tail = 1.0f / (1.0f + exp_positive(abs_w(l)));
                    iw on = l > 0.0f;
                    iw below = __builtin_convertvector(
                        tail * 65536.0f + *(fw *)(a->spread + at), iw);
                    q[side] = (on & (65536 - below)) | (~on & below);
                }
                *(iw *)(m->threshold + (half * p->vectors + v) * HALVES) =
                    (q[0] & 0xFFFF) | q[1] << 16;
                /* The bits of 2^16, at the place of this comparison. */
                always |= ((uw)q[0] >> 16 | ((uw)q[1] & 0x10000)) << (uint32_t)j;
            }
            *(uw *)(m->always + (half * p->groups + g) * HALVES) = always;
        }
}

/* sum_i ln(1 + exp(l_i + beta d_i)). */
INLINE float normaliser_at(const Average *a, const float *d, float beta) {
    enum { FACTORS = 64 };
    fw total = {0};
    for (int64_t first = 0; first < a->pixels; first += FACTORS * W) {
        int64_t end = first + FACTORS * W < a->pixels ? first + FACTORS * W : a->pixels;
        fw product = splat(1.0f), linear = {0};
        for (int64_t at = first; at < end; at += W) {
            fw l = *(fw *)(a->logits + at) + beta * *(const fw *)(d + at);
            product *= 1.0f + exp_negative(-abs_w(l));
            linear += (fw)((l > 0.0f) & (iw)l);
        }
        total += linear + log_w(product);
    }
    float sum = 0.0f;
    for (int i = 0; i < W; i++) sum += total[i];
    return sum;
}

/* The directions of a latent state and their norms (_averages._log_norms). */
INLINE void make_directions(const Average *a, const int32_t *units, const float *signs,
                            int64_t best) {
    const fw *away = (const fw *)(a->w_bar + best * a->pixels);
    for (int64_t r = 0; r < a->flips; r++) {
        const fw *flip = (const fw *)(a->w_bar + units[r] * a->pixels);
        fw *alone = (fw *)(a->direction + r * a->pixels);
        fw *instead = (fw *)(a->direction + (a->flips + r) * a->pixels);
        for (int64_t v = 0; v < a->pixels / W; v++) {
            alone[v] = signs[r] * flip[v];
            instead[v] = alone[v] - away[v];
        }
    }
    float plain = normaliser_at(a, a->direction, 0.0f);
    for (int64_t s = 0; s < STRENGTHS; s++)
        for (int64_t k = 0; k < a->lanes; k++)
            a->log_norm[s * a->lanes + k] =
                k < a->directions
                    ? normaliser_at(a, a->direction + k * a->pixels, strength(s)) - plain
                    : INFINITY;
}

/* ln of the tilted density of a draw over that of its latent state, in the mean over all
 * tilts; `field` is w_bar x. */
INLINE float log_tilted(const Average *a, const float *field, const int32_t *units,
                        const float *signs, int64_t best) {
    for (int64_t r = 0; r < a->flips; r++) {
        a->along[r] = signs[r] * field[units[r]];
        a->along[a->flips + r] = a->along[r] - field[best];
    }
    fw most = splat(-INFINITY), sum = {0};
    for (int64_t s = 0; s < STRENGTHS; s++)
        for (int64_t k = 0; k < a->lanes; k += W) {
            int64_t at = s * a->lanes + k;
            fw ratio = strength(s) * *(fw *)(a->along + k) - *(fw *)(a->log_norm + at);
            *(fw *)(a->ratio + at) = ratio;
            most = select_w(ratio > most, ratio, most);
        }
    float largest = most[0], all = 0.0f;
    for (int i = 1; i < W; i++) largest = larger(largest, most[i]);
    for (int64_t at = 0; at < STRENGTHS * a->lanes; at += W)
        sum += exp_negative(*(fw *)(a->ratio + at) - largest);
    for (int i = 0; i < W; i++) all += sum[i];
    return largest + logf(all / (float)(STRENGTHS * a->directions));
}

/* ln(1 + e^x). */
INLINE fw softplus_w(fw x) {
    return (fw)((x > 0.0f) & (iw)x) + log_w(1.0f + exp_negative(-abs_w(x)));
}

INLINE float log_add(float x, float y) {
    return x > y ? x + log1pf(expf(y - x)) : y + log1pf(expf(x - y));
}

/* Adds the mean over the draws of a round of weight times A_bar[x, z] to exp(total):
 * a->terms are their fields, a->weight their log_tilted. */
INLINE void add_round(const Problem *p, const Average *a, float *total) {
    for (int64_t at = 0; at < a->draws; at += W)
        *(fw *)(a->weight + at) = 0.69314718f - softplus_w(*(fw *)(a->weight + at));
    for (int64_t at = 0; !p->softmax && at < a->draws * P; at += W)
        *(fw *)(a->terms + at) = -softplus_w(-*(fw *)(a->terms + at));
    for (int64_t n = 0; n < a->draws; n++) {
        float *row = a->terms + n * P, largest = row[0], sum = 0.0f;
        for (int64_t k = 1; k < p->L; k++) largest = larger(largest, row[k]);
        for (int64_t k = 0; k < p->L; k++) sum += expf(row[k] - largest);
        float offset = a->weight[n] - largest - logf(sum);
        for (int64_t k = 0; k < p->L; k++) row[k] += offset;
    }
    for (int64_t k = 0; k < p->L; k++) {
        float largest = a->terms[k], sum = 0.0f;
        for (int64_t n = 1; n < a->draws; n++)
            largest = larger(largest, a->terms[n * P + k]);
        for (int64_t n = 0; n < a->draws; n++)
            sum += expf(a->terms[n * P + k] - largest);
        total[k] = log_add(total[k], largest + logf(sum));
    }
}

/* All rounds of the draws of latent state z into total (S numbers), their weights made
 * for one round after the other; `number` is that of the first round of the state. */
INLINE void average_batch(const Problem *p, Member *m, const Average *a,
                          const uint32_t *key, const int32_t *chosen, int64_t number,
                          const int32_t *units, const float *signs, int64_t best,
                          const float *bias, float *total) {
    int64_t tilted = a->draws / 2;
    for (int k = 0; k < P; k++) total[k] = -INFINITY;
    for (int64_t r = number; r < number + a->rounds; r++) {
        make_rounding(p, m, key, r);
        in_parts(p, a, m->round_at, 1, 0.0f, a->spread);
        const int32_t *fine = chosen + r * tilted;
        for (int64_t n = 0; n < a->draws; n++) {
            int64_t stratum = n / a->directions, k = n % a->directions;
            if (n < tilted)
                tilt_thresholds(p, m, a, a->direction + k * a->pixels,
                                strength(stratum * FINE + fine[n]));
            else if (n == tilted)
                tilt_thresholds(p, m, a, a->direction, 0.0f);
            float field_of[LARGEST] __attribute__((aligned(ALIGNMENT)));
            uint32_t t = (uint32_t)(r * a->draws + n);
            int64_t count = draw_pixels(p, m, key, t, 0, 0, m->lists);
            field(m, m->lists, fill_up(p, m->lists, count), field_of);
            a->weight[n] = log_tilted(a, field_of, units, signs, best);
            for (int k = 0; k < P; k++) a->terms[n * P + k] = field_of[k] + bias[k];
        }
        add_round(p, a, total);
    }
}

/* ---- What XLA calls --------------------------------------------------------------- */

#include "xla/ffi/api/c_api.h"

typedef struct {
    const XLA_FFI_CallFrame *frame;
    Problem problem;
    Rmsprop rmsprop;
    int64_t steps;             /* gradient steps */
    int64_t lead, members;     /* axes of `vmap` in front of each array, their product */
    const int64_t *lead_dims;
} Call;

static XLA_FFI_Error *no_memory(const XLA_FFI_CallFrame *frame) {
    XLA_FFI_Error_Create_Args args = {XLA_FFI_Error_Create_Args_STRUCT_SIZE, NULL,
                                      "nelc_jax: no memory for the native path",
                                      XLA_FFI_Error_Code_RESOURCE_EXHAUSTED};
    return frame->api->XLA_FFI_Error_Create(&args);
}

/* XLA asks for the version of the interface before the first call. */
static int asks_version(XLA_FFI_CallFrame *frame) {
    XLA_FFI_Extension_Base *extension = frame->extension_start;
    if (!extension || extension->type != XLA_FFI_Extension_Metadata) return 0;
    XLA_FFI_Metadata *metadata = ((XLA_FFI_Metadata_Extension *)extension)->metadata;
    metadata->api_version.major_version = XLA_FFI_API_MAJOR;
    metadata->api_version.minor_version = XLA_FFI_API_MINOR;
    return 1;
}

static const XLA_FFI_Buffer *argument(const Call *c, int i) { return c->frame->args.args[i]; }
static const XLA_FFI_Buffer *result(const Call *c, int i) { return c->frame->rets.rets[i]; }

static double attribute(const XLA_FFI_CallFrame *frame, const char *name) {
    for (int64_t i = 0; i < frame->attrs.size; i++) {
        XLA_FFI_ByteSpan *found = frame->attrs.names[i];
        if (found->len != strlen(name) || memcmp(found->ptr, name, found->len)) continue;
        const XLA_FFI_Scalar *scalar = frame->attrs.attrs[i];
        if (scalar->dtype == XLA_FFI_DataType_F32) return *(float *)scalar->value;
        return *(int32_t *)scalar->value;
    }
    return 0;
}

/* The part of an array that is one member's; an axis of 1 is shared by all members
 * (vmap_method="expand_dims"). */
static void *of_member(const Call *c, const XLA_FFI_Buffer *buffer, int64_t member) {
    int64_t bytes = buffer->dtype == XLA_FFI_DataType_PRED ? 1 : 4, offset = 0;
    for (int64_t d = c->lead; d < buffer->rank; d++) bytes *= buffer->dims[d];
    for (int64_t d = c->lead - 1; d >= 0; d--) {
        int64_t place = member % c->lead_dims[d];
        member /= c->lead_dims[d];
        if (buffer->dims[d] > 1) offset += place * bytes;
        bytes *= buffer->dims[d];
    }
    return (char *)buffer->data + offset;
}

static Call read_call(const XLA_FFI_CallFrame *frame) {
    Call c = {.frame = frame};
    const XLA_FFI_Buffer *w = argument(&c, 0);
    c.lead = w->rank - 2;
    c.lead_dims = result(&c, 0)->dims;
    c.members = 1;
    for (int64_t d = 0; d < c.lead; d++) c.members *= c.lead_dims[d];
    c.problem.D = w->dims[c.lead];
    c.problem.L = w->dims[c.lead + 1];
    c.problem.T = (int64_t)attribute(frame, "chain_length");
    c.problem.softmax = (int)attribute(frame, "softmax");
    c.problem.exact = (int)attribute(frame, "exact");
    c.rmsprop.decay = (float)attribute(frame, "decay");
    c.rmsprop.eps = (float)attribute(frame, "eps");
    lay_out(&c.problem);
    return c;
}

/* w, a, w_bar, a_bar and x_mean, arguments 0 to 4, into rows of P. */
static void load_model(const Call *c, Member *m, int64_t member) {
    const Problem *p = &c->problem;
    const float *w = of_member(c, argument(c, 0), member);
    const float *a = of_member(c, argument(c, 1), member);
    const float *w_bar = of_member(c, argument(c, 2), member);
    const float *x_mean = of_member(c, argument(c, 4), member);
    for (int64_t i = 0; i < p->D; i++)
        for (int64_t k = 0; k < p->L; k++) m->w[i * P + k] = w[i * p->L + k] + a[i];
    for (int64_t row = 0; row < p->rows; row++) {
        int64_t pixel = m->pixel[row];
        for (int64_t k = 0; k < p->L && pixel >= 0; k++) {
            m->x_mean[row * P + k] = x_mean[pixel];
            m->w_bar[row * P + k] = w_bar[k * p->D + pixel];
        }
    }
    memcpy(m->a_bar, of_member(c, argument(c, 3), member), (size_t)p->L * 4);
}

static void load_squares(const Call *c, Member *m, int64_t member) {
    const Problem *p = &c->problem;
    const float *w_nu = of_member(c, argument(c, 9), member);
    const float *w_bar_nu = of_member(c, argument(c, 10), member);
    for (int64_t i = 0; i < p->D; i++)
        for (int64_t k = 0; k < p->L; k++) m->w_nu[i * P + k] = w_nu[i * p->L + k];
    for (int64_t row = 0; row < p->rows; row++)
        for (int64_t k = 0; k < p->L && m->pixel[row] >= 0; k++)
            m->w_bar_nu[row * P + k] = w_bar_nu[k * p->D + m->pixel[row]];
    memcpy(m->a_bar_nu, of_member(c, argument(c, 11), member), (size_t)p->L * 4);
}

/* Rows of P into results (D, L) and (L, D). */
static void store_forward(const Call *c, const float *rows, const float *a,
                          float *to) {
    for (int64_t i = 0; i < c->problem.D; i++)
        for (int64_t k = 0; k < c->problem.L; k++)
            to[i * c->problem.L + k] = rows[i * P + k] - (a ? a[i] : 0.0f);
}
static void store_backward(const Call *c, const Member *m, const float *rows,
                           float *to) {
    for (int64_t i = 0; i < c->problem.D; i++)
        for (int64_t k = 0; k < c->problem.L; k++)
            to[k * c->problem.D + i] = rows[(int64_t)m->row_of[i] * P + k];
}

INLINE void train_member(const Call *c, Member *m, const Runs *runs,
                         int64_t member, int updates) {
    const Problem *p = &c->problem;
    const uint32_t *keys = of_member(c, argument(c, 6), member);
    const int32_t *batches = of_member(c, argument(c, 8), member);
    int first = updates ? 6 : 3;   /* result: x, ln p and finite behind the parameters */
    float *log_p = of_member(c, result(c, first + 1), member);
    uint8_t *finite = of_member(c, result(c, first + 2), member);
    Rmsprop rmsprop = c->rmsprop;
    load_model(c, m, member);
    if (updates) {
        load_squares(c, m, member);
        rmsprop.rate = *(float *)of_member(c, argument(c, 12), member);
    }
    list_state(p, m, of_member(c, argument(c, 5), member));
    for (int64_t step = 0; step < c->steps; step++) {
        make_bias(p, m);
        log_p[step] = find_gradient(p, m, runs, keys + 2 * step, batches[step]);
        int good = isfinite(log_p[step]);
        /* A sum over everything: not finite where one term is not. */
        fw zero = {0};
        for (int64_t at = 0; at < p->T * P; at += W) zero += 0.0f * *(fw *)(m->h + at);
        for (int l = 0; l < W; l++) good = good && zero[l] == 0.0f;
        finite[step] = (uint8_t)good;
        update(p, m, batches[step], updates ? &rmsprop : NULL);
        int64_t last = m->list_start[p->T + 1] - m->list_start[p->T];
        memmove(m->lists, m->lists + m->list_start[p->T], (size_t)last * 2);
        m->list_start[1] = last;
    }
    unlist_state(p, m, 0, of_member(c, result(c, first), member));
    const float *a = of_member(c, argument(c, 1), member);
    if (updates) {
        store_forward(c, m->w, a, of_member(c, result(c, 0), member));
        store_backward(c, m, m->w_bar, of_member(c, result(c, 1), member));
        memcpy(of_member(c, result(c, 2), member), m->a_bar, (size_t)p->L * 4);
    }
    int at = updates ? 3 : 0;
    store_forward(c, m->w_nu, NULL, of_member(c, result(c, at), member));
    store_backward(c, m, m->w_bar_nu, of_member(c, result(c, at + 1), member));
    memcpy(of_member(c, result(c, at + 2), member), m->a_bar_nu, (size_t)p->L * 4);
}

/* T double steps without a gradient, a block at a time. */
INLINE void chain_member(const Call *c, Member *m, int64_t member) {
    const Problem *p = &c->problem;
    const uint32_t *key = of_member(c, argument(c, 6), member);
    int64_t start = *(int32_t *)of_member(c, argument(c, 7), member);
    uint8_t *xs = of_member(c, result(c, 0), member);
    int32_t *z = of_member(c, result(c, 1), member);
    float *h = of_member(c, result(c, 2), member);
    load_model(c, m, member);
    make_bias(p, m);
    list_state(p, m, of_member(c, argument(c, 5), member));
    for (int64_t first = 0; first < p->T; first += BLOCK) {
        int64_t steps = p->T - first < BLOCK ? p->T - first : BLOCK;
        make_thresholds(p, m, key, (start + first) / BLOCK, 0);
        chain_block(p, m, key, start + first, steps, 0, 0);
        for (int64_t s = 0; s < steps; s++) {
            unlist_state(p, m, s, xs + (first + s) * p->D);
            z[first + s] = m->z[s];
            memcpy(h + (first + s) * p->L, m->h + s * P, (size_t)p->L * 4);
        }
        int64_t last = m->list_start[steps + 1] - m->list_start[steps];
        memmove(m->lists, m->lists + m->list_start[steps], (size_t)last * 2);
        m->list_start[1] = last;
    }
    unlist_state(p, m, 0, of_member(c, result(c, 3), member));
}

/* ln M of every batch of draws, (B, S, S), not normalised. */
INLINE void average_member(const Call *c, Member *m, Average *a, int64_t member) {
    const Problem *p = &c->problem;
    const uint32_t *key = of_member(c, argument(c, 5), member);
    const int32_t *chosen = of_member(c, argument(c, 6), member);
    const int32_t *units = of_member(c, argument(c, 7), member);
    const float *signs = of_member(c, argument(c, 8), member);
    const int32_t *best = of_member(c, argument(c, 9), member);
    const float *w_bar = of_member(c, argument(c, 2), member);
    float *log_M = of_member(c, result(c, 0), member);
    float bias[LARGEST] __attribute__((aligned(ALIGNMENT))), total[LARGEST], zero = 0.0f;
    load_model(c, m, member);
    make_bias(p, m);
    memcpy(bias, m->bias, sizeof bias);
    memset(m->bias, 0, sizeof m->bias);
    /* Of a number that is none, so is everything. */
    for (int64_t i = 0; i < p->L * p->D; i++) zero += 0.0f * w_bar[i];
    for (int64_t i = 0; i < p->D * P; i++) zero += 0.0f * m->w[i];
    for (int64_t k = 0; k < p->L; k++) zero += 0.0f * bias[k];
    for (int64_t k = 0; k < p->L; k++)
        in_parts(p, a, w_bar + k * p->D, 1, 0.0f, a->w_bar + k * a->pixels);
    for (int64_t v = 0; v < p->vectors; v += 4) make_words(p, m, key, 0, v);
    float all = logf((float)(a->rounds * a->draws));
    for (int64_t z = 0; z < p->L; z++) {
        in_parts(p, a, m->w + z, P, -1e30f, a->logits);
        make_directions(a, units + z * a->flips, signs + z * a->flips, best[z]);
        for (int64_t b = 0; b < a->batches; b++) {
            average_batch(p, m, a, key, chosen, (z * a->batches + b) * a->rounds,
                          units + z * a->flips, signs + z * a->flips, best[z], bias, total);
            for (int64_t k = 0; k < p->L; k++)
                log_M[(b * p->L + z) * p->L + k] = total[k] - all + zero;
        }
    }
}

enum Task { TRAIN, GRADIENT, CHAIN };

static XLA_FFI_Error *run(const Call *c, enum Task task) {
    const Problem *p = &c->problem;
    int64_t kept = task == CHAIN ? BLOCK : p->T;
    Member m = {0};
    int64_t bytes = cut_member(p, kept, NULL, &m);
    char *memory = aligned_alloc(ALIGNMENT, (size_t)bytes);
    Runs runs = {0};
    int enough = memory != NULL;
    const XLA_FFI_Buffer *data = task == CHAIN ? NULL : argument(c, 7);
    const uint8_t *seen = NULL;
    for (int64_t member = 0; enough && member < c->members; member++) {
        /* All zero: numbers of padding are never denormal, infinite or unknown. */
        memset(memory, 0, (size_t)bytes);
        cut_member(p, kept, memory, &m);
        order_rows(p, &m);
        if (task == CHAIN) {
            chain_member(c, &m, member);
            continue;
        }
        const uint8_t *x = of_member(c, data, member);
        if (x != seen) {
            free_runs(&runs);
            enough = find_runs(&m, x, p->N, p->D, &runs);
            seen = x;
        }
        if (enough) train_member(c, &m, &runs, member, task == TRAIN);
    }
    free_runs(&runs);
    free(memory);
    return enough ? NULL : no_memory(c->frame);
}

XLA_FFI_Error *nelc_train(XLA_FFI_CallFrame *frame) {
    if (asks_version(frame)) return NULL;
    Call c = read_call(frame);
    const XLA_FFI_Buffer *keys = argument(&c, 6);
    c.steps = keys->dims[c.lead];
    c.problem.N = argument(&c, 7)->dims[c.lead];
    return run(&c, TRAIN);
}

XLA_FFI_Error *nelc_gradient(XLA_FFI_CallFrame *frame) {
    if (asks_version(frame)) return NULL;
    Call c = read_call(frame);
    c.steps = 1;
    c.problem.N = argument(&c, 7)->dims[c.lead];
    return run(&c, GRADIENT);
}

XLA_FFI_Error *nelc_chain(XLA_FFI_CallFrame *frame) {
    if (asks_version(frame)) return NULL;
    Call c = read_call(frame);
    return run(&c, CHAIN);
}

XLA_FFI_Error *nelc_average(XLA_FFI_CallFrame *frame) {
    if (asks_version(frame)) return NULL;
    Call c = read_call(frame);
    const Problem *p = &c.problem;
    const int64_t *dims = result(&c, 0)->dims + c.lead;
    const int64_t *numbers = argument(&c, 6)->dims + c.lead;
    Average a = {.flips = argument(&c, 7)->dims[c.lead + 1], .batches = dims[0]};
    a.directions = 2 * a.flips;
    a.lanes = (a.directions + W - 1) / W * W;
    a.draws = 2 * STRATA * a.directions;
    a.rounds = numbers[0] / (p->L * a.batches);
    a.part = p->vectors * W;
    a.pixels = 4 * a.part;
    Member m = {0};
    int64_t bytes = cut_member(p, BLOCK, NULL, &m), more = cut_average(p, NULL, &a);
    char *memory = aligned_alloc(ALIGNMENT, (size_t)(bytes + more));
    if (!memory) return no_memory(frame);
    for (int64_t member = 0; member < c.members; member++) {
        memset(memory, 0, (size_t)(bytes + more));
        cut_member(p, BLOCK, memory, &m);
        cut_average(p, memory + bytes, &a);
        order_rows(p, &m);
        average_member(&c, &m, &a, member);
    }
    free(memory);
    return NULL;
}
