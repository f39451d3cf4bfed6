// Tiles of matrix units that multiply 8 by 8 elements.

alias LeftTile = coop_mat8x8<f16, A>;
alias RightTile = coop_mat8x8<f16, B>;
alias SumTile = coop_mat8x8<f32, C>;

const TILE: u32 = 8u;
