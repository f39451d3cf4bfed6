// Where the planes of a level lie, and how its groups are made up: see src/step/bits.rs.

const FAN_IN: u32 = 4u;
const LANE_BITS: u32 = 16u;

struct Level {
    digits: u32,
    order: u32,
    fan_in: u32,
}

fn level_groups(level: Level) -> u32 {
    return (level.digits + level.fan_in - 1u) / level.fan_in;
}

fn level_size(level: Level, group: u32) -> u32 {
    return min(level.fan_in, level.digits - group * level.fan_in);
}

fn level_eq_planes(level: Level) -> u32 {
    return level.digits - level.order;
}

fn level_lt_plane(level: Level, digit: u32) -> u32 {
    if digit % level.fan_in == 0u {
        return level_eq_planes(level) + level.digits - level_groups(level) + digit / level.fan_in;
    }
    return level_eq_planes(level) + digit - digit / level.fan_in - 1u;
}

fn level_eq_factors(level: Level, group: u32) -> u32 {
    let size = level_size(level, group);
    if level.order == 1u {
        return size - select(0u, 1u, group + 1u == level_groups(level));
    }
    return select(size, 0u, size == 1u);
}

fn level_first_monomial(level: Level, group: u32) -> u32 {
    return group * ((1u << level.fan_in) - level.fan_in - 1u) * (1u + level.order);
}
