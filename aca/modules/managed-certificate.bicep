// A certificate that Azure makes and renews. The app names its domain with the binding Auto, so Azure binds the
// certificate by itself. It must reach the gateway from the internet to see whose the name is.

@description('Region.')
param location string
@description('Prefix of the name.')
param name string
@description('Environment that uses it.')
param environmentName string
@description('Host name.')
param domain string

resource environment 'Microsoft.App/managedEnvironments@2026-07-01' existing = {
  name: environmentName

  resource certificate 'managedCertificates' = {
    name: '${name}-certificate'
    location: location
    properties: {
      subjectName: domain
      domainControlValidation: 'CNAME'
    }
  }
}
