//! The rows of [`super::kernel`] become the enum, stems, accesses, draws, and a kernel under other names.

use super::kernel::Matrix;

/// The matrices that a field of a kernel holds.
pub(super) trait Operands<B> {
    /// The field where buffers are named by `C`.
    type Renamed<C>;

    /// Calls `visit` with each matrix.
    fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Matrix<B>))
    where
        B: 'a;

    /// The field where `name` names the buffers.
    fn renamed<C>(&self, name: &mut impl FnMut(&B) -> C) -> Self::Renamed<C>;
}

/// Implements [`Operands`] for a type by its two bodies.
macro_rules! operands {
    ($([$($bound:tt)*] $type:ty => $renamed:ty: |$field:ident, $call:ident| $each:expr, $with:expr;)*) => { $(
        impl<B, $($bound)*> Operands<B> for $type {
            type Renamed<C> = $renamed;

            fn each<'a>(&'a self, $call: &mut impl FnMut(&'a Matrix<B>))
            where
                B: 'a,
            {
                let $field = self;
                $each
            }

            fn renamed<C>(&self, $call: &mut impl FnMut(&B) -> C) -> $renamed {
                let $field = self;
                $with
            }
        }
    )* };
}

operands! {
    [] Matrix<B> => Matrix<C>: |one, call| call(one), Matrix::new(call(&one.buffer), one.shape);
    [] (u64, Matrix<B>) => (u64, Matrix<C>): |term, call| call(&term.1), (term.0, term.1.renamed(call));
    [] (Matrix<B>, Matrix<B>) => (Matrix<C>, Matrix<C>): |pair, call|
        [&pair.0, &pair.1].into_iter().for_each(call), (pair.0.renamed(call), pair.1.renamed(call));
    [T: Operands<B>] [T; 2] => [T::Renamed<C>; 2]: |both, call|
        both.iter().for_each(|one| one.each(call)), both.each_ref().map(|one| one.renamed(call));
    [T: Operands<B>] Vec<T> => Vec<T::Renamed<C>>: |all, call|
        all.iter().for_each(|one| one.each(call)), all.iter().map(|one| one.renamed(call)).collect();
    [T: Operands<B>] Option<T> => Option<T::Renamed<C>>: |any, call|
        any.iter().for_each(|one| one.each(call)), any.as_ref().map(|one| one.renamed(call));
}

/// Declares `Kernel` from its rows: `Name = "stem" { field: type => use, … }`.
macro_rules! kernels {
    ($(
        $(#[$doc:meta])*
        $name:ident = $stem:literal {
            $($(#[$of_field:meta])* $field:ident: $type:ty $(=> $use:ident $($by:ident)?)?,)*
        }
    )*) => {
        /// One computation on a device.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        pub enum Kernel<B, K> {
            $($(#[$doc])* $name { $($(#[$of_field])* $field: $type,)* },)*
        }

        /// The stems of all kernels' files.
        pub const STEMS: &[&str] = &[$($stem),*];

        impl<B, K> Kernel<B, K> {
            /// The stem of the kernel's files.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Kernel::$name { .. } => $stem,)*
                }
            }

            /// The key and the stream that it draws from, if it does.
            pub fn draws(&self) -> Option<(&K, u64)> {
                match self {
                    $(Kernel::$name { $($field),* } => {
                        [$($crate::step::rows::drawn!($field $($use $($by)?)?)),*].into_iter().flatten().next()
                    })*
                }
            }

            /// Calls `visit` with each matrix and how it is used.
            pub fn visit<'a>(&'a self, mut visit: impl FnMut(&'a Matrix<B>, Access)) {
                match self {
                    $(Kernel::$name { $($field),* } => {
                        $($crate::step::rows::visited!(visit $field $($use $($by)?)?);)*
                    })*
                }
            }

            /// The same computation with buffers and keys named another way.
            pub fn map<C, L>(
                &self,
                mut buffer: impl FnMut(&B) -> C,
                mut key: impl FnMut(&K) -> L,
            ) -> Kernel<C, L> {
                match self {
                    $(Kernel::$name { $($field),* } => Kernel::$name {
                        $($field: $crate::step::rows::renamed!(buffer key $field $($use $($by)?)?),)*
                    },)*
                }
            }
        }
    };
}

/// The key of a field and its stream.
macro_rules! drawn {
    ($field:ident draw $stream:ident) => {
        Some(($field, *$stream))
    };
    ($field:ident $($use:ident)*) => {{
        let _ = $field;
        None
    }};
}

/// A visit of a field's matrices.
macro_rules! visited {
    ($visit:ident $field:ident read) => {
        $field.each(&mut |matrix| $visit(matrix, Access::Read))
    };
    ($visit:ident $field:ident write) => {
        $field.each(&mut |matrix| $visit(matrix, Access::Write))
    };
    ($visit:ident $field:ident update) => {
        $field.each(&mut |matrix| $visit(matrix, Access::Update))
    };
    ($visit:ident $field:ident update_if $by:ident) => {{
        let access = if *$by { Access::Update } else { Access::Write };
        $field.each(&mut |matrix| $visit(matrix, access))
    }};
    ($visit:ident $field:ident $($use:ident)*) => {
        let _ = $field;
    };
}

/// A field under other names.
macro_rules! renamed {
    ($buffer:ident $key:ident $field:ident) => {
        Clone::clone($field)
    };
    ($buffer:ident $key:ident $field:ident draw $stream:ident) => {
        $key($field)
    };
    ($buffer:ident $key:ident $field:ident $($use:ident)+) => {
        $field.renamed(&mut $buffer)
    };
}

pub(super) use {drawn, kernels, renamed, visited};
