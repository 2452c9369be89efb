//! The descriptors of the schema.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MessageDescriptor};

/// The schema's serialized `google.protobuf.FileDescriptorSet`, with the
/// well-known types it uses.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/sabir.config.v1.binpb");

/// The schema's descriptors.
pub fn pool() -> &'static DescriptorPool {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        DescriptorPool::decode(FILE_DESCRIPTOR_SET)
            .expect("the committed descriptor set is what the schema generates, as a test checks")
    });
    &POOL
}

/// The descriptor of the message type `M`; `None` if it is not one of the
/// schema's.
#[must_use]
pub fn of<M: prost::Name>() -> Option<MessageDescriptor> {
    pool().get_message_by_name(&M::full_name())
}
