//! Who is there: instances of services with their leases, for Guildhall's own and for Eureka's clients.
//! Refuses to trust an instance longer than its lease.
