/* Calls the handlers of cycles.c as XLA does, on arrays with nothing around them, for
 * the sanitizers and valgrind: driver [D L T N B K members] .., seven numbers a call. */

#include "cycles.c"

#include <stdio.h>

static uint32_t state = 1;
static uint32_t random_word(void) { return state = state * 1664525u + 1013904223u; }

typedef struct {
    XLA_FFI_Buffer buffer;
    int64_t dims[4];
} Array;

/* An array of its own allocation; `shared` ones have an axis of 1 for the members. */
static Array make(XLA_FFI_DataType dtype, int64_t members, int rank, int64_t d0, int64_t d1,
                  float scale) {
    Array a = {.dims = {members, d0, d1}};
    int64_t size = members;
    for (int i = 1; i <= rank; i++) size *= a.dims[i];
    int one = dtype == XLA_FFI_DataType_PRED;
    void *data = malloc((size_t)(size * (one ? 1 : 4)));
    for (int64_t i = 0; i < size; i++) {
        uint32_t word = random_word() >> 8;
        if (one) ((uint8_t *)data)[i] = word % 7 == 0;
        else if (dtype == XLA_FFI_DataType_F32)
            ((float *)data)[i] = scale * ((float)word * 0x1p-23f - 1.0f);
        else ((int32_t *)data)[i] = scale > 0 ? (int32_t)scale : (int32_t)word;
    }
    a.buffer = (XLA_FFI_Buffer){XLA_FFI_Buffer_STRUCT_SIZE, NULL, dtype, data, rank + 1, NULL};
    return a;
}

/* Numbers below `most`, of the last axes (of size 0: no axis). */
static Array tilts(int64_t members, int64_t d0, int64_t d1, int64_t d2, int64_t most) {
    Array a = {.dims = {members, d0, d1, d2}};
    int64_t size = members * d0 * (d1 ? d1 : 1) * (d2 ? d2 : 1);
    int32_t *data = malloc((size_t)size * 4);
    for (int64_t i = 0; i < size; i++) data[i] = (int32_t)(random_word() >> 8) % (int32_t)most;
    a.buffer = (XLA_FFI_Buffer){XLA_FFI_Buffer_STRUCT_SIZE, NULL, XLA_FFI_DataType_S32, data,
                                2 + (d1 > 0) + (d2 > 0), NULL};
    return a;
}

static void call(XLA_FFI_Handler *handler, Array *in, int ins, Array *out, int outs,
                 int32_t T, int32_t softmax, int32_t exact) {
    void *args[16], *rets[16];
    for (int i = 0; i < ins; i++) in[i].buffer.dims = in[i].dims, args[i] = &in[i].buffer;
    for (int i = 0; i < outs; i++) out[i].buffer.dims = out[i].dims, rets[i] = &out[i].buffer;
    float decay = 0.9f, eps = 1e-8f;
    const char *names[] = {"chain_length", "decay", "eps", "exact", "softmax"};
    void *values[] = {&T, &decay, &eps, &exact, &softmax};
    XLA_FFI_ByteSpan spans[5], *span_pointers[5];
    XLA_FFI_Scalar scalars[5];
    void *scalar_pointers[5];
    for (int i = 0; i < 5; i++) {
        spans[i] = (XLA_FFI_ByteSpan){names[i], strlen(names[i])};
        int real = i == 1 || i == 2;
        scalars[i] = (XLA_FFI_Scalar){real ? XLA_FFI_DataType_F32 : XLA_FFI_DataType_S32, values[i]};
        span_pointers[i] = &spans[i], scalar_pointers[i] = &scalars[i];
    }
    XLA_FFI_CallFrame frame = {.args = {.size = ins, .args = args},
                               .rets = {.size = outs, .rets = rets},
                               .attrs = {.size = 5, .names = span_pointers, .attrs = scalar_pointers}};
    if (handler(&frame)) exit(1);
    for (int i = 0; i < outs; i++) free(out[i].buffer.data);
}

int main(int count, char **words) {
    const XLA_FFI_DataType F = XLA_FFI_DataType_F32, B = XLA_FFI_DataType_PRED;
    const XLA_FFI_DataType I = XLA_FFI_DataType_S32, U = XLA_FFI_DataType_U32;
    for (int at = 1; at + 6 < count; at += 7) {
        int64_t n[7];
        for (int i = 0; i < 7; i++) n[i] = atoll(words[at + i]);
        int64_t D = n[0], L = n[1], T = n[2], N = n[3], K = n[5], m = n[6];
        float b = (float)n[4];
        for (int kind = 0; kind < 4; kind++) {
            int32_t softmax = kind & 1, exact = kind >> 1;
            Array model[] = {make(F, m, 2, D, L, 4), make(F, m, 1, D, 0, kind == 3), make(F, m, 2, L, D, 1),
                             make(F, m, 1, L, 0, 1), make(F, 1, 1, D, 0, .5f), make(B, m, 1, D, 0, 0)};
            Array train[13], gradient[9], chain[8], average[10];
            memcpy(train, model, sizeof model);
            memcpy(gradient, model, sizeof model);
            memcpy(chain, model, sizeof model);
            train[6] = make(U, m, 2, K, 2, 0), train[7] = make(B, 1, 2, N, D, 0);
            train[8] = make(I, 1, 1, K, 0, b), train[9] = make(F, m, 2, D, L, 0);
            train[10] = make(F, m, 2, L, D, 0), train[11] = make(F, m, 1, L, 0, 0);
            train[12] = make(F, m, 0, 0, 0, .1f);
            gradient[6] = make(U, m, 1, 2, 0, 0), gradient[7] = train[7];
            gradient[8] = make(I, 1, 0, 0, 0, b);
            chain[6] = gradient[6], chain[7] = make(I, 1, 0, 0, 0, 64);
            int64_t flips = L < 16 ? L : 16, batches = L < 16 ? 2 : 1;
            memcpy(average, model, 5 * sizeof *model);
            average[5] = gradient[6], average[6] = tilts(m, 2 * batches * L, 4, 2 * flips, 4);
            average[7] = tilts(m, L, flips, 0, L), average[8] = make(F, m, 2, L, flips, 1);
            average[9] = tilts(m, L, 0, 0, L);
            Array trained[] = {make(F, m, 2, D, L, 0), make(F, m, 2, L, D, 0), make(F, m, 1, L, 0, 0),
                               make(F, m, 2, D, L, 0), make(F, m, 2, L, D, 0), make(F, m, 1, L, 0, 0),
                               make(B, m, 1, D, 0, 0), make(F, m, 1, K, 0, 0), make(B, m, 1, K, 0, 0)};
            call(nelc_train, train, 13, trained, 9, (int32_t)T, softmax, exact);
            Array found[] = {make(F, m, 2, D, L, 0), make(F, m, 2, L, D, 0), make(F, m, 1, L, 0, 0),
                             make(B, m, 1, D, 0, 0), make(F, m, 0, 0, 0, 0), make(B, m, 0, 0, 0, 0)};
            call(nelc_gradient, gradient, 9, found, 6, (int32_t)T, softmax, exact);
            Array drawn[] = {make(B, m, 2, T, D, 0), make(I, m, 1, T, 0, 0), make(F, m, 2, T, L, 0),
                             make(B, m, 1, D, 0, 0)};
            call(nelc_chain, chain, 8, drawn, 4, (int32_t)T, softmax, exact);
            Array averaged[] = {tilts(m, batches, L, L, 1)};
            averaged[0].buffer.dtype = F;
            /* Both normalisations, of wide rows, which take long, one. */
            if (kind < (P == 8 ? 2 : 1)) call(nelc_average, average, 10, averaged, 1, 0, softmax, 0);
            else free(averaged[0].buffer.data);
            for (int i = 6; i < 10; i++) free(average[i].buffer.data);
            for (int i = 0; i < 13; i++) free(train[i].buffer.data);
            free(gradient[6].buffer.data), free(gradient[8].buffer.data), free(chain[7].buffer.data);
        }
    }
    puts("done");
    return 0;
}
