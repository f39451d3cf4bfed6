// Tiles of matrix units that multiply 16 by 16 elements.

alias LeftTile = coop_mat16x16<f16, A>;
alias RightTile = coop_mat16x16<f16, B>;
alias SumTile = coop_mat16x16<f32, C>;

const TILE: u32 = 16u;
