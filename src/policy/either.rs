//! A value that is a word or a mapping with fields: `tmpfs` or `{host: PATH}`.

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

#[derive(Debug)]
pub(super) enum Either<F> {
    Word(String),
    Fields(F),
    /// Neither; `fields` knows the place and so tells it better.
    Other,
}

impl<'de, F: Deserialize<'de>> Deserialize<'de> for Either<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<F>(PhantomData<F>);

        impl<'de, F: Deserialize<'de>> Visitor<'de> for Reader<F> {
            type Value = Either<F>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a mapping with fields")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Either<F>, E> {
                Ok(Either::Word(word.to_owned()))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Either<F>, E> {
                Ok(Either::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Either<F>, E> {
                Ok(Either::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Either<F>, E> {
                Ok(Either::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Either<F>, E> {
                Ok(Either::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Either<F>, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Either::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Either<F>, A::Error> {
                F::deserialize(MapAccessDeserializer::new(map)).map(Either::Fields)
            }
        }

        deserializer.deserialize_any(Reader(PhantomData))
    }
}
