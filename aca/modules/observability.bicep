// The workspace for logs, and Application Insights for traces.

@description('Region.')
param location string
@description('Prefix of the names.')
param name string
@description('Days that logs are kept.')
param retentionDays int
@description('Whether there is an Application Insights.')
param telemetry bool

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: '${name}-logs'
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = if (telemetry) {
  name: '${name}-insights'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
  }
}

@description('Id of the workspace.')
output workspaceId string = workspace.id
@description('Connection string of Application Insights; empty if there is none. It lets its holder write traces, and read nothing.')
output insightsConnection string = telemetry ? insights!.properties.ConnectionString : ''
