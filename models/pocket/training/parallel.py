"""Data-parallel training in a few single-thread processes: on a busy machine that beats threads, which wait for each other in every operation."""
import os
import torch
import torch.distributed as dist


def start(workers, port=29533):
    rank = 0
    for r in range(1, workers):
        if rank == 0 and os.fork() == 0:
            rank = r
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=os.environ.get("MASTER_PORT", str(port)))
    dist.init_process_group("gloo", rank=rank, world_size=workers)
    return rank


def agree(*numbers):
    """The first process's numbers, so that all decide alike."""
    state = torch.tensor(numbers, dtype=torch.float64)
    dist.broadcast(state, 0)
    return state.tolist()


def average_gradients(parameters, flat, workers):
    torch.cat([p.grad.reshape(-1) for p in parameters], out=flat)
    dist.all_reduce(flat)
    flat.div_(workers)
    at = 0
    for p in parameters:
        p.grad.copy_(flat[at : at + p.numel()].view(p.shape))
        at += p.numel()


def average(tensors):
    """Makes tensors the mean of all processes'."""
    flat = torch.cat([t.reshape(-1) for t in tensors])
    dist.all_reduce(flat)
    flat.div_(dist.get_world_size())
    at = 0
    for t in tensors:
        t.copy_(flat[at : at + t.numel()].view(t.shape))
        at += t.numel()
