"""Wrappers around the policy servers in use, so that unmodified robots get the chosen chunk.

    openpi.EnergyPolicy          a BasePolicy whose `infer` samples N chunks and gives the chosen one back
    lerobot.choose_in            a PolicyServer of LeRobot's async inference
    groot.EnergyPolicy, Server   GR00T's `get_action`, and its ZMQ server
    openvla.Server               OpenVLA-OFT's `/act`

Each keeps the server's own format, adds scores and timings where that format has room for more, and gives the policy's own
chunk back whenever anything but the policy itself fails.
"""
