#!/usr/bin/env python3
"""Whisper's encoder by PyTorch on a GPU, beside `recognizer_steps` (G1): random weights in the shape of large-v3-turbo, halves,
scaled_dot_product_attention. Prints a line of JSON for each figure.

usage: encoder_torch.py [SECONDS]     (needs torch with CUDA)
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional

WIDTH, HEADS, LAYERS, MELS = 1280, 20, 32, 128
POSITIONS = (1500, 256)
TOGETHER = (1, 4, 16, 64)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attend_norm, self.mlp_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attend, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, rows):
        windows, count, _ = rows.shape
        parts = self.attend(self.attend_norm(rows)).view(windows, count, 3, HEADS, WIDTH // HEADS)
        queries, keys, values = (parts[:, :, part].transpose(1, 2) for part in range(3))
        mixed = functional.scaled_dot_product_attention(queries, keys, values)
        rows = rows + self.out(mixed.transpose(1, 2).reshape(windows, count, WIDTH))
        return rows + self.down(functional.gelu(self.up(self.mlp_norm(rows))))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv1d(MELS, WIDTH, 3, padding=1)
        self.second = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.positions = nn.Parameter(torch.randn(1500, WIDTH) * 0.1)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, features):
        rows = functional.gelu(self.second(functional.gelu(self.first(features)))).transpose(1, 2)
        rows = rows + self.positions[: rows.shape[1]]
        for block in self.blocks:
            rows = block(rows)
        return self.norm(rows)


@torch.inference_mode()
def windows_a_second(encoder, positions, together, seconds):
    features = torch.randn(together, MELS, 2 * positions, device="cuda", dtype=torch.half)
    for _ in range(3):
        encoder(features)
    torch.cuda.synchronize()
    begun, times = time.perf_counter(), 0
    while times < 2 or time.perf_counter() - begun < seconds:
        encoder(features)
        torch.cuda.synchronize()
        times += 1
    return times * together / (time.perf_counter() - begun)


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    encoder = Encoder().half().cuda().eval()
    for positions in POSITIONS:
        for together in TOGETHER:
            rate = windows_a_second(encoder, positions, together, seconds)
            print(json.dumps({"figure": "windows_a_s", "peer": f"torch {torch.__version__}", "positions": positions,
                              "together": together, "windows": rate}), flush=True)


if __name__ == "__main__":
    main()
