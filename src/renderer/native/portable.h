/*
 * What the reference libraries share is written once, in the language that C11, C++17 and CUDA have in common.
 */
#ifndef PINHOLE_PORTABLE_H
#define PINHOLE_PORTABLE_H

/* A function that kernels call as well. */
#ifdef __CUDACC__
#define ON_BOTH static __host__ __device__ inline
#else
#define ON_BOTH static inline
#endif

#endif
