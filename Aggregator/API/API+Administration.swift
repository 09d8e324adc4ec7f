/// What tenants' administrators ask for: people, keys, sensors, features, what is known of whom.
func addAdministration(_ sources: APISources, to routes: PolicedRoutes) {
    let control = sources.control, time = sources.time
    FactorRoutes(control: control, signIn: sources.signIn, time: time).add(to: routes)
    JoinRoutes(control: control, signIn: sources.signIn, time: time).add(to: routes)
    ResetRoutes(control: control, signIn: sources.signIn, time: time).add(to: routes)
    MemberRoutes(control: control, time: time).add(to: routes)
    InvitationRoutes(control: control, time: time).add(to: routes)
    KeyRoutes(control: control, time: time).add(to: routes)
    SCIMRoutes(control: control, desk: sources.signOn, time: time).add(to: routes)
    NetworkRoutes(control: control, time: time).add(to: routes)
    AuditRoutes(control: control).add(to: routes)
    FeatureRoutes(control: control, time: time).add(to: routes)
    SensorMarkRoutes(control: control, sensors: sources.sensorControl, time: time).add(to: routes)
    EnrolmentRoutes(control: control, issuer: sources.issuer, time: time).add(to: routes)
    ComplianceRoutes(sources: sources).add(to: routes)
    PrivacyRoutes(sources: sources).add(to: routes)
}
