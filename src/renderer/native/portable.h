/* Code that the reference libraries share is written once, in the common subset of C11, C++17 and CUDA. */
#ifndef PINHOLE_PORTABLE_H
#define PINHOLE_PORTABLE_H

/* A function that kernels can call too. */
#ifdef __CUDACC__
#define ON_BOTH static __host__ __device__ inline
#else
#define ON_BOTH static inline
#endif

#endif
