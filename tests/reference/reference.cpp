// RTNeural itself as a filter: the other side of test_reference.py.
//
//     reference MODEL.json [RESET_EVERY] < input.f32 > output.f32
//
// float32, little-endian, time-major. The state is reset before the first step and, with RESET_EVERY > 0,
// before every RESET_EVERY-th one. C++17, RTNeural's public API only; which backend answers, and how sums
// are rounded, is decided by how it is compiled: -ffp-contract=off, and one build per backend.

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <new>
#include <vector>

#include <RTNeural/RTNeural.h>

namespace
{
constexpr std::size_t alignment = 64; // bytes; packets may be read aligned and a little past the end
constexpr std::size_t padding = 16; // floats

struct Free
{
    void operator()(float* memory) const { std::free(memory); }
};

std::unique_ptr<float, Free> buffer(std::size_t size)
{
    const auto floats = (size + padding) / padding * padding;
    auto* memory = static_cast<float*>(std::aligned_alloc(alignment, floats * sizeof(float)));
    if(memory == nullptr)
        throw std::bad_alloc();
    std::fill(memory, memory + floats, 0.0f);
    return std::unique_ptr<float, Free>(memory);
}
}

int main(int argc, char** argv)
{
    if(argc < 2 || argc > 3)
    {
        std::fprintf(stderr, "usage: %s MODEL.json [RESET_EVERY] < input.f32 > output.f32\n", argv[0]);
        return 2;
    }
    const long resetEvery = argc == 3 ? std::strtol(argv[2], nullptr, 10) : 0;

    std::ifstream file(argv[1], std::ifstream::binary);
    if(!file)
    {
        std::fprintf(stderr, "%s: cannot be read\n", argv[1]);
        return 4;
    }
    auto model = RTNeural::json_parser::parseJson<float>(file);
    if(!model)
    {
        std::fprintf(stderr, "%s: is no model\n", argv[1]);
        return 4;
    }

    const auto inSize = static_cast<std::size_t>(model->getInSize());
    const auto outSize = static_cast<std::size_t>(model->getOutSize());
    const auto input = buffer(inSize);
    model->reset();
    for(long step = 0; std::fread(input.get(), sizeof(float), inSize, stdin) == inSize; ++step)
    {
        if(resetEvery > 0 && step > 0 && step % resetEvery == 0)
            model->reset();
        model->forward(input.get());
        if(std::fwrite(model->getOutputs(), sizeof(float), outSize, stdout) != outSize)
            return 1;
    }
    return std::fflush(stdout) == 0 ? 0 : 1;
}
